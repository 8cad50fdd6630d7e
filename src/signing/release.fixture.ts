/**
 * Small real releases for tests: good ones and, by options, wrong ones. Not for production code.
 *
 * Everything is really signed, and in memory until it is written. The seed determines the content, so that equal options and
 * keys give equal archives, and releases share artifacts of the same seed and size.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ArtifactHash } from '../core/ids.ts';
import type { ReleaseFormat } from '../core/release.ts';
import { TOP_LEVEL_ROLES, type TopLevelRole } from '../tuf/role-names.ts';
import { measureAll, writeRepositoryArchive } from './assemble.ts';
import { type Content, measure } from './measure.ts';
import { buildRepository, type MeasuredContent } from './repository-files.ts';
import {
  keysForAllRoles,
  type RepositoryKeys,
  rootObject,
  type SignedObject,
  signMetadata,
} from './sign-metadata.ts';
import { generateSigningKey, type SigningKey } from './signing-keys.ts';

type TestArtifact = {
  readonly sizeBytes?: number;
  /** Equal seed and size, equal content. By default of this release and place only. */
  readonly seed?: string;
  /** Instead of `sizeBytes` and `seed`. */
  readonly bytes?: Uint8Array;
  readonly targetName?: string;
  /** By default `1.0.0` for seeded or given content, which other releases may share, else the system version. */
  readonly version?: string;
  readonly tags?: Readonly<Record<string, string>>;
};

export type TestReleaseOptions = {
  readonly systemVersion?: string;
  readonly format?: ReleaseFormat;
  readonly consistentSnapshot?: boolean;
  /** A number is a size in bytes. By default three artifacts of a few KiB. */
  readonly artifacts?: readonly (number | TestArtifact)[];
  /** Changes the content of artifacts without a seed: the same version with other bytes. */
  readonly contentSeed?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly keys?: RepositoryKeys;
  readonly versions?: Partial<Record<TopLevelRole, number>>;
  readonly rootChain?: readonly Uint8Array[];
  /** Of all roles; by default in 2100. */
  readonly expiresMs?: number;
  /** These roles expired in 2001. */
  readonly expired?: readonly TopLevelRole[];
  /** The keys that sign a role instead of its own: unknown keys, too few, none. */
  readonly signers?: Partial<Record<TopLevelRole, readonly SigningKey[]>>;
  /** Changes a role's `signed` part before it is signed. */
  readonly edit?: Partial<Record<TopLevelRole, (signed: SignedObject) => void>>;
  /** Changes the files of the archive, by entry name (`repo/metadata/…`, `repo/targets/…`), after signing. */
  readonly tamper?: (files: Map<string, Uint8Array>) => void;
  /** By default `release-<version>.zip`. */
  readonly fileName?: string;
};

export type TestRepository = {
  /** The oldest root in the repository, untampered. */
  readonly trustRoot: Uint8Array;
  readonly keys: RepositoryKeys;
  readonly systemVersion: string;
  readonly artifacts: readonly MadeArtifact[];
  /** Everything, after tampering, by the names that archive entries have. */
  readonly files: ReadonlyMap<string, Uint8Array>;
};

export type TestRelease = TestRepository & {
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the archive. */
  readonly sha256: string;
};

type MadeArtifact = {
  readonly targetName: string;
  readonly version: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
};

const YEAR_2100_MS = Date.UTC(2100, 0, 1);
const YEAR_2001_MS = Date.UTC(2001, 0, 1);
const METADATA = 'repo/metadata/';
const TARGETS = 'repo/targets/';
const DEFAULT_SIZES = [1000, 5000, 20_000];

/** Writes a release into `directory`; without knobs it verifies against `trustRoot` until 2100. */
export const makeTestRelease = async (
  directory: string,
  options: TestReleaseOptions = {},
): Promise<TestRelease> => {
  const repository = await makeTestRepository(options);
  const path = join(directory, options.fileName ?? `release-${repository.systemVersion}.zip`);
  return { ...repository, path, ...(await writeFiles(repository.files, path)) };
};

/** The same in memory, without an archive around it. */
export const makeTestRepository = async (options: TestReleaseOptions = {}): Promise<TestRepository> => {
  const { systemVersion = '1.0.0', keys = keysForAllRoles([generateSigningKey()]) } = options;
  const inputs = (options.artifacts ?? DEFAULT_SIZES).map((artifact, index) =>
    makeArtifact(typeof artifact === 'number' ? { sizeBytes: artifact } : artifact, index, options),
  );
  const artifacts = await measureAll(inputs);
  const rootChain = options.rootChain ?? [testRoot(keys, options)];
  const { metadata, targets } = await buildRepository({
    systemVersion,
    format: options.format ?? 'v2',
    artifacts,
    metadata: options.metadata ?? {},
    rootChain,
    versions: { timestamp: 1, snapshot: 1, targets: 1, ...options.versions },
    expiresMs: expiryOf(options),
    sign: signer(keys, options),
  });
  const files = new Map<string, Uint8Array>();
  for (const [name, bytes] of metadata) files.set(`${METADATA}${name}`, bytes);
  for (const [name, { content }] of targets) files.set(`${TARGETS}${name}`, inMemory(content));
  options.tamper?.(files);

  const [trustRoot] = rootChain;
  assert(trustRoot !== undefined, 'a root chain has a first root');
  const made = artifacts.map(({ content, measured: { sha256, sizeBytes }, ...artifact }) => ({
    ...artifact,
    sha256,
    sizeBytes,
    bytes: inMemory(content),
  }));
  return { trustRoot, keys, systemVersion, artifacts: made, files };
};

const inMemory = (content: Content): Uint8Array =>
  'bytes' in content ? content.bytes : assert.fail('test content is in memory');

/** For `tamper`: flips one bit of a file. */
export const flipBit = (files: Map<string, Uint8Array>, name: string, bit = 0): void => {
  const bytes = Uint8Array.from(files.get(name) ?? assert.fail(`there is no file ${name}`));
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  files.set(name, bytes);
};

/** Pseudo-random bytes from a seed: they do not compress. */
export const seededBytes = (seed: string, sizeBytes: number): Uint8Array =>
  createHash('shake256', { outputLength: Math.max(1, sizeBytes) })
    .update(seed)
    .digest()
    .subarray(0, sizeBytes);

const makeArtifact = (artifact: TestArtifact, index: number, options: TestReleaseOptions) => {
  const { systemVersion = '1.0.0', contentSeed = '' } = options;
  const { sizeBytes = 1000, seed, targetName = `artifact-${index}.bin` } = artifact;
  const isShared = seed !== undefined || artifact.bytes !== undefined;
  return {
    targetName,
    version: artifact.version ?? (isShared ? '1.0.0' : systemVersion),
    tags: artifact.tags ?? { kind: 'zone', name: `test-${index}` },
    bytes: artifact.bytes ?? seededBytes(seed ?? `${systemVersion}/${index}/${contentSeed}`, sizeBytes),
  };
};

const expiryOf = ({
  expiresMs = YEAR_2100_MS,
  expired = [],
}: TestReleaseOptions): Record<TopLevelRole, number> => {
  const roles = TOP_LEVEL_ROLES.map(role => [role, expired.includes(role) ? YEAR_2001_MS : expiresMs]);
  return Object.fromEntries(roles) as Record<TopLevelRole, number>;
};

const testRoot = (keys: RepositoryKeys, options: TestReleaseOptions): Uint8Array => {
  const { format = 'v2', consistentSnapshot = format !== 'v2', versions } = options;
  const { root: expiresMs } = expiryOf(options);
  const root = rootObject({ keys, version: versions?.root ?? 1, expiresMs, consistentSnapshot });
  return signer(keys, options)('root', root);
};

const signer =
  (keys: RepositoryKeys, { edit, signers }: TestReleaseOptions) =>
  (role: TopLevelRole, signed: SignedObject): Uint8Array => {
    edit?.[role]?.(signed);
    return signMetadata(signed, signers?.[role] ?? keys[role].keys);
  };

/** The archive has the checksums of the tampered bytes: the release is wrong, not the archive. */
const writeFiles = async (files: ReadonlyMap<string, Uint8Array>, path: string) => {
  const metadata = new Map<string, Uint8Array>();
  const targets = new Map<string, MeasuredContent>();
  for (const [name, bytes] of files) {
    if (name.startsWith(TARGETS)) {
      targets.set(name.slice(TARGETS.length), { content: { bytes }, measured: await measure({ bytes }) });
    } else {
      assert(name.startsWith(METADATA), `${name} is in neither folder`);
      metadata.set(name.slice(METADATA.length), bytes);
    }
  }
  return writeRepositoryArchive({ metadata, targets }, path);
};
