/**
 * Assembles and signs a release, and writes it as one archive that tuf-depot takes.
 *
 *     artifacts ─▶ measure ─▶ build and sign ─▶ verify, as a reader would ─▶ write ─▶ fsync, rename
 *
 * A1. The same input gives the same archive, byte for byte (with ed25519 keys: other signatures are random).
 * A2. A release that would not verify is not written; only expiry is up to the caller.
 * A3. An artifact is read twice and never held in memory. One that changes in between fails the assembly.
 * A4. An archive under its final name is complete, or absent.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { METADATA_FOLDER, TARGETS_FOLDER } from '../archive/release-folders.ts';
import { type ArchiveWriter, createArchiveWriter } from '../archive/writer.ts';
import type { ReleaseDescription, ReleaseFormat } from '../core/release.ts';
import type { DiskFile } from '../lib/disk.ts';
import { cannotWrite, isFull } from '../lib/disk-errors.ts';
import { createFileDurably } from '../lib/durable-file.ts';
import { DepotError } from '../lib/errors.ts';
import { createPagedWrites } from '../lib/paged-writes.ts';
import { readRelease, withHashes } from '../tuf/release-description.ts';
import { storedFileNames, type TopLevelRole } from '../tuf/role-names.ts';
import type { SignaturePolicy } from '../tuf/signature-policy.ts';
import { verifyRepository } from '../tuf/workflow.ts';
import type { DelegationPlan } from './delegations.ts';
import { type Content, measure, openContent } from './measure.ts';
import { buildRepository, type MeasuredArtifact, type RepositoryFiles } from './repository-files.ts';
import { createRoot, type RepositoryKeys, signMetadata } from './sign-metadata.ts';

export type ArtifactInput = Content & {
  readonly targetName: string;
  readonly version: string;
  readonly tags: Readonly<Record<string, string>>;
};

export type AssembleOptions = {
  readonly systemVersion: string;
  readonly format: ReleaseFormat;
  readonly artifacts: readonly ArtifactInput[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly keys: RepositoryKeys;
  readonly delegations?: DelegationPlan | undefined;
  /**
   * When roles expire, in milliseconds since the epoch: one time, or one for each role. Delegated roles expire with
   * targets; a root of `rootChain` has its own time.
   */
  readonly expiresMs: number | Readonly<Record<TopLevelRole, number>>;
  /** Of the roles; a republished repository needs higher ones. */
  readonly versions: { readonly timestamp: number; readonly snapshot: number; readonly targets: number };
  /** Every root from the first that clients may trust; without it a root of version 1 is made. */
  readonly rootChain?: readonly Uint8Array[];
  /** For a new root: whether file names carry versions and hashes. The default depends on the format. */
  readonly consistentSnapshot?: boolean;
  readonly outputPath: string;
};

export type AssembledRelease = {
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the archive. */
  readonly sha256: string;
  /** The oldest root in the archive: what a verifier should trust. */
  readonly trustRoot: Uint8Array;
  readonly release: ReleaseDescription;
};

/**
 * @throws DepotError as {@link verifyRepository} and {@link readRelease} do for a release that would be refused;
 *   `IO` for an artifact that cannot be read or an archive that cannot be written, `ARCHIVE_DAMAGED` for an
 *   artifact that changed meanwhile; the signal's reason
 */
export const assembleRelease = async (
  options: AssembleOptions,
  { signal }: { signal?: AbortSignal } = {},
): Promise<AssembledRelease> => {
  const { systemVersion, format, metadata = {}, keys, versions, outputPath } = options;
  const { consistentSnapshot = format !== 'v2', delegations } = options;
  const expiresMs = expiryOfRoles(options.expiresMs);
  const rootChain = options.rootChain ?? [
    createRoot({ keys, version: 1, expiresMs: expiresMs.root, consistentSnapshot }),
  ];
  const files = await buildRepository({
    systemVersion,
    format,
    artifacts: await measureAll(options.artifacts, { signal }),
    metadata,
    rootChain,
    versions,
    expiresMs,
    delegations,
    sign: (role, signed) => signMetadata(signed, keys[role].keys),
  });
  const { trustRoot, release } = await readBack(files, rootChain);
  const written = await writeRepositoryArchive(files, outputPath, { signal });
  return { path: outputPath, ...written, trustRoot, release };
};

const expiryOfRoles = (expiresMs: AssembleOptions['expiresMs']): Readonly<Record<TopLevelRole, number>> =>
  typeof expiresMs === 'number'
    ? { root: expiresMs, timestamp: expiresMs, snapshot: expiresMs, targets: expiresMs }
    : expiresMs;

export const measureAll = async (
  artifacts: readonly ArtifactInput[],
  options: { signal?: AbortSignal | undefined } = {},
): Promise<MeasuredArtifact[]> => {
  const measured: MeasuredArtifact[] = [];
  for (const { targetName, version, tags, ...content } of artifacts) {
    measured.push({ targetName, version, tags, content, measured: await measure(content, options) });
  }
  return measured;
};

/** A2. Reads the files as a client does that trusts the first root and never updated. */
export const readBack = async (
  files: RepositoryFiles,
  rootChain: readonly Uint8Array[],
  signatures?: SignaturePolicy,
) => {
  const [trustRoot] = rootChain;
  if (trustRoot === undefined)
    throw new DepotError('METADATA_INVALID', 'a repository needs at least one root');
  const source = {
    read: async (name: string) => files.metadata.get(name),
    list: () => [...files.metadata.keys()],
  };
  const trustRoots = [{ id: 'its own', bytes: trustRoot }];
  const policy = { trustRoots, nowMs: 0, allowExpired: true, signatures };
  const repository = await verifyRepository(source, policy);
  const described = await readRelease(repository, async (name, maxBytes) => {
    const target = files.targets.get(name);
    if (target === undefined || target.measured.sizeBytes > maxBytes) return undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of openContent(target.content)) pieces.push(Uint8Array.from(piece));
    return Buffer.concat(pieces);
  });
  return { trustRoot, release: withHashes(described, new Map()) };
};

const ARCHIVE_MODE = 0o644;

/** Memory that is mounted at /dev/shm has files. */
const NOT_OF_FILES = /^\/(proc|dev(?!\/shm\/))\//;

/** A rename would put the archive in the place of a device, or of the link that a shell gave for its output. */
const requireReplaceable = async (path: string): Promise<void> => {
  const found = await stat(path).catch(() => undefined);
  const problem = NOT_OF_FILES.test(path)
    ? 'it is a device or a pipe, and an archive is written to a file'
    : found !== undefined && !found.isFile()
      ? 'it is there, and no regular file'
      : undefined;
  if (problem !== undefined) throw cannotWrite(path, new Error(problem));
};

/** Writes `repo/metadata/…` and `repo/targets/…`, all stored: artifacts are served from the archive in place. */
export const writeRepositoryArchive = async (
  files: RepositoryFiles,
  outputPath: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> => {
  await requireReplaceable(outputPath);
  try {
    return await createFileDurably(outputPath, file => writeArchive(file, files, signal), {
      mode: ARCHIVE_MODE,
    });
  } catch (cause) {
    if (signal?.aborted || (cause instanceof DepotError && !isFull(cause))) throw cause;
    throw cannotWrite(outputPath, cause);
  }
};

const writeArchive = async (
  file: Pick<DiskFile, 'write'>,
  files: RepositoryFiles,
  signal: AbortSignal | undefined,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> => {
  const hash = createHash('sha256');
  const pages = createPagedWrites(file);
  const writer = createArchiveWriter({
    async write(bytes) {
      signal?.throwIfAborted();
      hash.update(bytes);
      await pages.write(bytes);
    },
  });
  try {
    await addEntries(writer, files);
    const sizeBytes = await writer.finish();
    await pages.flush();
    return { sizeBytes, sha256: hash.digest('hex') };
  } finally {
    // The caller closes the file.
    await pages.settled();
  }
};

const addEntries = async (writer: ArchiveWriter, files: RepositoryFiles): Promise<void> => {
  const stored = storedFileNames(files.metadata.keys());
  for (const [name, bytes] of files.metadata) {
    const content = { sizeBytes: bytes.length, crc32: crc32(bytes), content: [bytes] };
    await writer.add({ method: 'stored', name: `${METADATA_FOLDER}${stored.get(name) ?? name}`, ...content });
  }
  for (const [name, { content, measured }] of files.targets) {
    const { sizeBytes, crc32: checksum } = measured;
    const entry = { sizeBytes, crc32: checksum, content: openContent(content) };
    await writer.add({ method: 'stored', name: `${TARGETS_FOLDER}${name}`, ...entry });
  }
};
