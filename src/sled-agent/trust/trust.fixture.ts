/** Signed releases with their bundles, chains of roots, and what a sled has pinned, for tests. */
import { createHash } from 'node:crypto';
import { type Bundle, encodeBundle } from '../../bundle/bundle.ts';
import { judgeBundle } from '../../bundle/judge.ts';
import type { JudgeBundle } from '../../bundle/judge-apart.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import { SystemVersion } from '../../core/ids.ts';
import { silentLogger } from '../../lib/log.ts';
import { keysForAllRoles, rootObject, signMetadata } from '../../signing/sign-metadata.ts';
import { generateSigningKey, type SigningKey } from '../../signing/signing-keys.ts';
import { LATER_MS, makeRepository } from '../../tuf/repository.fixture.ts';
import { type SignaturePolicy, SPECIFIED_SIGNATURES } from '../../tuf/signature-policy.ts';
import { hashOf, type TestArtifact } from '../store/artifact.fixture.ts';
import type { ReleaseTrust } from '../store/release-trust.ts';
import { releaseTrust } from './judge-releases.ts';
import { createTrust, NO_STATED_TRUST, type SledTrust, type StatedTrust } from './trust.ts';
import { NO_PINS, type Pins } from './trust-file.ts';

export const sha256Of = (content: string | Uint8Array): string =>
  createHash('sha256').update(content).digest('hex');

export const textArtifact = (content: string): TestArtifact => {
  const bytes = new TextEncoder().encode(content);
  return { bytes, sha256: hashOf(bytes) };
};

export const sha512Of = (content: string): string => createHash('sha512').update(content).digest('hex');

export type SignedRelease = {
  readonly systemVersion: SystemVersion;
  readonly artifacts: readonly TestArtifact[];
  /** SHA-256 of the bundle. */
  readonly bundle: string;
  readonly bytes: Uint8Array;
};

export type Signer = {
  /** The texts of the first `count` roots; all keys change with each. */
  readonly roots: (count: number) => readonly string[];
  /** Another root of this version, signed by the root before it. */
  readonly fork: (version: number) => string;
  /** Of artifacts with these contents, signed under the root of a version. */
  readonly release: (
    contents: readonly string[],
    options?: {
      readonly root?: number;
      readonly version?: string;
      readonly unsigned?: readonly TestArtifact[];
      /** Roots that the bundle brings, instead of all up to its own. */
      readonly brings?: readonly string[];
      /** SHA-512 by SHA-256: the targets are signed by their SHA-512 alone. */
      readonly addresses?: ReadonlyMap<ArtifactHash, string>;
    },
  ) => SignedRelease;
};

const MAX_VERSIONS = 4;

/** @param makeKey the key of all roles under the root of a version */
export const createSigner = (
  makeKey: (version: number) => SigningKey = () => generateSigningKey(),
): Signer => {
  const keys = Array.from({ length: MAX_VERSIONS }, (_, at) => makeKey(at + 1));
  const keyOf = (version: number) => keys[version - 1] ?? generateSigningKey();
  const rootSigned = (version: number, key = keyOf(version)) =>
    Buffer.from(
      signMetadata(
        rootObject({ keys: keysForAllRoles([key]), version, expiresMs: LATER_MS, consistentSnapshot: true }),
        [key, keyOf(Math.max(1, version - 1))],
      ),
    ).toString();
  const all = keys.map((_, at) => rootSigned(at + 1));
  return {
    roots: count => all.slice(0, count),
    fork: version => rootSigned(version, generateSigningKey()),
    release(
      contents,
      { root = 1, version = '1.0.0', unsigned = [], brings = all.slice(0, root), addresses } = {},
    ) {
      const targets = contents.map(content => [`file-${sha256Of(content).slice(0, 8)}`, content] as const);
      const edit = (signed: { targets?: unknown }) => {
        signed.targets = Object.fromEntries(
          targets.map(([name, content]) => [
            name,
            { length: Buffer.byteLength(content), hashes: { sha512: sha512Of(content) } },
          ]),
        );
      };
      const made = makeRepository({
        key: keyOf(root),
        targets: { targets, ...(addresses !== undefined && { edit }) },
      });
      const metadata = new Map(
        [...made.metadata].map(([name, bytes]) => [name, Buffer.from(bytes).toString()] as const),
      );
      metadata.delete('1.root.json');
      brings.forEach((text, at) => {
        metadata.set(`${at + 1}.root.json`, text);
      });
      const signed = contents.map(textArtifact);
      return bundled({ version, metadata, unsigned, addresses }, [...signed, ...unsigned]);
    },
  };
};

/** A release from before there were bundles: nothing of it is signed. */
export const unsignedRelease = (artifacts: readonly TestArtifact[], version = '0.9.0'): SignedRelease =>
  bundled({ version, metadata: new Map(), unsigned: artifacts }, artifacts);

const bundled = (
  {
    version,
    metadata,
    unsigned,
    addresses,
  }: {
    version: string;
    metadata: Map<string, string>;
    unsigned: readonly TestArtifact[];
    addresses?: ReadonlyMap<ArtifactHash, string> | undefined;
  },
  artifacts: readonly TestArtifact[],
): SignedRelease => {
  const systemVersion = SystemVersion.parse(version);
  const sizes = new Map<ArtifactHash, number>(unsigned.map(({ sha256, bytes }) => [sha256, bytes.length]));
  const encoded = encodeBundle({
    ...{ systemVersion, metadata, unsigned: sizes },
    ...(addresses && { addresses }),
  } satisfies Bundle);
  if (encoded === undefined) throw new Error('the bundle is too large');
  return { systemVersion, artifacts, bundle: encoded.sha256, bytes: encoded.bytes };
};

export const offered = ({ systemVersion, bundle }: SignedRelease, isExempt = false) => ({
  ...{ systemVersion, bundle, isExempt },
});

export type TestStatements = StatedTrust & {
  readonly say: (root: string, what: 'trusted' | 'distrusted') => void;
  readonly exempt: (bundle: string) => void;
};

export const testStatements = (): TestStatements => {
  const roots = new Map<string, 'trusted' | 'distrusted'>();
  const exempted = new Set<string>();
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of listeners) listener();
  };
  return {
    ofRoot: sha256 => roots.get(sha256),
    exempts: bundle => exempted.has(bundle),
    onChange(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    say(root, what) {
      roots.set(root, what);
      changed();
    },
    exempt(bundle) {
      exempted.add(bundle);
      changed();
    },
  };
};

export type TestTrust = SledTrust & {
  /** What the file has. */
  readonly saved: () => Pins;
};

export const testTrust = ({
  known = NO_PINS,
  statements = NO_STATED_TRUST,
  requireSigned,
  signatures = SPECIFIED_SIGNATURES,
  save = async () => undefined,
}: {
  readonly known?: Pins;
  readonly statements?: StatedTrust;
  readonly requireSigned?: boolean;
  readonly signatures?: SignaturePolicy;
  readonly save?: (pins: Pins) => Promise<void>;
} = {}): TestTrust => {
  let saved = known;
  const trust = createTrust({
    known,
    statements,
    ...{ requireSigned, signatures },
    log: silentLogger,
    async save(pins) {
      await save(pins);
      saved = pins;
    },
  });
  return { ...trust, saved: () => saved };
};

/** In this thread. */
const judgeHere: JudgeBundle = (bytes, trustRoots, { signatures }) =>
  judgeBundle(bytes, trustRoots, { signatures });

export const storeTrust = (trust: SledTrust): ReleaseTrust => releaseTrust(trust, judgeHere);
