/** What a Nexus that lies says of a file that nobody of the fleet signed: metadata that it signed itself, or none. */
import { type EncodedBundle, encodeBundle } from '../../src/bundle/bundle.ts';
import { ArtifactHash, SystemVersion } from '../../src/core/ids.ts';
import { measureAll } from '../../src/signing/assemble.ts';
import { buildRepository } from '../../src/signing/repository-files.ts';
import { signMetadata } from '../../src/signing/sign-metadata.ts';
import { sha256Of } from './sha256.ts';
import { FORGER, YEAR_2100_MS } from './signers.ts';

export const FORGED_VERSION = SystemVersion.parse('9.9.9');

export type Forge = (planted: Uint8Array, isSigned: boolean) => Promise<EncodedBundle>;

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
    rootChain: [FORGER.root],
    versions: { timestamp: 1, snapshot: 1, targets: 1 },
    expiresMs: { timestamp: YEAR_2100_MS, snapshot: YEAR_2100_MS, targets: YEAR_2100_MS },
    sign: (role, signed) => signMetadata(signed, FORGER.keys[role].keys),
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
