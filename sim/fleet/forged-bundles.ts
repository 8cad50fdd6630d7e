/** What a Nexus that lies says of a file that nobody of the fleet signed: metadata that it signed itself, or none. */
import { type EncodedBundle, encodeBundle } from '../../src/bundle/bundle.ts';
import { ArtifactHash, SystemVersion } from '../../src/core/ids.ts';
import { measureAll } from '../../src/signing/assemble.ts';
import { buildRepository } from '../../src/signing/repository-files.ts';
import { createRoot, keysForAllRoles, signMetadata } from '../../src/signing/sign-metadata.ts';
import { signingKeyFromPem } from '../../src/signing/signing-keys.ts';
import { sha256Of } from './sha256.ts';

export const FORGED_VERSION = SystemVersion.parse('9.9.9');

export type Forge = (planted: Uint8Array, isSigned: boolean) => Promise<EncodedBundle>;

/** Not that of the fleet, and not secret: every run signs alike. */
const FORGER_PEM = `-----BEGIN PRIVATE KEY-----\n${Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  Buffer.alloc(32, 2),
]).toString('base64')}\n-----END PRIVATE KEY-----\n`;

const EXPIRES_MS = Date.UTC(2100, 0, 1);

/** Each one is made once for all runs. */
export const createForge = (): Forge => {
  const made = new Map<string, Promise<EncodedBundle>>();
  return (planted, isSigned) => {
    const key = `${isSigned} ${sha256Of(planted)}`;
    const bundle = made.get(key) ?? (isSigned ? signedBundle(planted) : bareBundle(planted));
    made.set(key, bundle);
    return bundle;
  };
};

const bareBundle = async (planted: Uint8Array): Promise<EncodedBundle> =>
  encoded(new Map(), new Map([[ArtifactHash.parse(sha256Of(planted)), planted.length]]));

const keys = keysForAllRoles([signingKeyFromPem(FORGER_PEM)]);

const rootOf = (version: number): Uint8Array =>
  createRoot({ keys, version, expiresMs: EXPIRES_MS, consistentSnapshot: false });

/** That of the signed bundles; and one that would follow the root of the fleet, if that had signed it. */
export const FALSE_ROOTS: readonly Uint8Array[] = [rootOf(1), rootOf(2)];

const signedBundle = async (planted: Uint8Array): Promise<EncodedBundle> => {
  const files = await buildRepository({
    systemVersion: FORGED_VERSION,
    format: 'v2',
    artifacts: await measureAll([
      {
        targetName: 'planted.bin',
        version: '1.0.0',
        tags: { kind: 'zone', name: 'planted' },
        bytes: planted,
      },
    ]),
    metadata: {},
    rootChain: [rootOf(1)],
    versions: { timestamp: 1, snapshot: 1, targets: 1 },
    expiresMs: { timestamp: EXPIRES_MS, snapshot: EXPIRES_MS, targets: EXPIRES_MS },
    sign: (role, signed) => signMetadata(signed, keys[role].keys),
  });
  const texts = [...files.metadata].map(([name, bytes]) => [name, Buffer.from(bytes).toString()] as const);
  return encoded(new Map(texts), new Map());
};

const encoded = (
  metadata: ReadonlyMap<string, string>,
  unsigned: ReadonlyMap<ArtifactHash, number>,
): EncodedBundle => {
  const bundle = encodeBundle({ systemVersion: FORGED_VERSION, metadata, unsigned });
  if (bundle === undefined) throw new Error('a forged bundle is small');
  return bundle;
};
