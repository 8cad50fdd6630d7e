/**
 * Verifies a release archive whole, in the calling thread.
 *
 *     file ─▶ archive ─▶ TUF metadata ─▶ sizes of all targets ─▶ artifact document ─▶ bytes of all targets ─▶ parts ─▶ release
 *
 * V1. What is returned was checked to the last byte: signatures up to a trust root, and length, hashes and CRC-32
 *     of every target, replicated or not (B2).
 * V2. Cheap checks come first: an archive that cannot pass is refused before its bulk is read.
 * V3. Nothing is written, and no time but the request's is looked at: the same file and request, the same verdict.
 */
import { createHash } from 'node:crypto';
import { type Archive, openArchive } from '../archive/archive.ts';
import type { ArchiveEntry } from '../archive/content.ts';
import type { RandomAccessFile } from '../archive/random-access.ts';
import { isComposite } from '../composite/split.ts';
import type { ArtifactHash } from '../core/ids.ts';
import type { ReleaseDescription } from '../core/release.ts';
import { DepotError } from '../lib/errors.ts';
import { readRelease } from '../tuf/release-description.ts';
import { type MetadataSource, rootVersions } from '../tuf/repository.ts';
import { TOP_LEVEL_ROLES, type TopLevelRole } from '../tuf/role-names.ts';
import { type VerifiedRepository, verifyRepository } from '../tuf/workflow.ts';
import { splitComposites } from './composites.ts';
import { passedChecks } from './report.ts';
import { hashTargets, type LocatedTarget, locateTargets, TARGETS_FOLDER } from './targets.ts';
import type {
  ArtifactSource,
  RoleFacts,
  VerifiedRelease,
  VerifyOptions,
  VerifyRequest,
} from './verified-release.ts';

const METADATA_FOLDER = 'repo/metadata/';

/**
 * Throws the `ARCHIVE_…` errors of the reader, the `METADATA_…` and trust errors of the TUF workflow,
 * `RELEASE_DOCUMENT_INVALID`, `COMPOSITE_INVALID`, and `TARGET_MISSING`, `TARGET_LENGTH_MISMATCH` or `TARGET_HASH_MISMATCH`, which name
 * the target; rejects with the signal's reason when it aborts. The file stays the caller's to close.
 */
export const verifyArchive = async (
  file: RandomAccessFile,
  request: VerifyRequest,
  options: VerifyOptions,
): Promise<VerifiedRelease> => {
  const { signal } = options;
  const archive = await openArchive(file, request.limits === undefined ? {} : { limits: request.limits });
  signal.throwIfAborted();
  const metadata = recording(folderSource(archive, METADATA_FOLDER, signal));
  const repository = await verifyRepository(metadata.source, {
    trustRoots: request.trustRoots,
    nowMs: request.nowMs,
    allowExpired: request.allowExpired ?? false,
    allowRollback: request.allowRollback ?? false,
    rollback: id => request.trustedVersions?.get(id),
  });
  const located = locateTargets(archive, repository.allTargets, repository.consistentSnapshot);
  const { read: readTarget } = folderSource(archive, TARGETS_FOLDER, signal);
  const document = await readRelease(repository, readTarget);
  const totalBytes = await hashTargets(archive, located, options);
  const entryOf = new Map(located.map(({ name, entry }) => [name, entry]));
  const { unknownKinds, ...split } = await splitComposites(
    document,
    targetName => {
      const entry = entryOf.get(targetName)!;
      return { entryName: entry.name, content: () => archive.read(entry, { signal }) };
    },
    request,
  );

  const unsignedFiles = unsigned(archive, metadata, located);
  const facts = {
    ...split,
    targetsSha256: createHash('sha256').update(repository.targets.bytes).digest('hex') as ArtifactHash,
    trustRootId: repository.trustRootId,
    versions: repository.versions,
    roles: roleFacts(repository),
    overrides: repository.overrides,
    entries: artifactSources(document, entryOf),
    unsignedFiles,
  };
  const targetCount = located.length;
  return { ...facts, report: passedChecks({ ...facts, archive, targetCount, totalBytes, unknownKinds }) };
};

const newestRoot = ({ roots }: VerifiedRepository) => roots.at(-1)!.signed;

/** A folder of the archive as a source of small files. */
const folderSource = (archive: Archive, folder: string, signal: AbortSignal) =>
  ({
    async read(fileName, maxBytes) {
      const entry = archive.entries.get(`${folder}${fileName}`);
      return entry === undefined ? undefined : archive.readWhole(entry, maxBytes, { signal });
    },
    list: () =>
      [...archive.entries.keys()]
        .filter(name => name.startsWith(folder))
        .map(name => name.slice(folder.length)),
  }) satisfies MetadataSource;

/** Remembers what was asked for, so that the rest can be told apart. */
const recording = (inner: MetadataSource & { readonly list: () => readonly string[] }) => {
  const readNames = new Set<string>();
  const list = inner.list();
  if (list.length === 0) {
    throw new DepotError(
      'METADATA_MISSING',
      `the archive holds no TUF repository: it has nothing below ${METADATA_FOLDER}`,
    );
  }
  const source: MetadataSource = {
    read(fileName, maxBytes) {
      readNames.add(fileName);
      return inner.read(fileName, maxBytes);
    },
    list: () => list,
  };
  return { source, readNames };
};

/** Older roots count as signed: a client that trusts an older one needs them, whichever this one started from. */
const unsigned = (
  archive: Archive,
  { source, readNames }: ReturnType<typeof recording>,
  located: readonly LocatedTarget[],
): readonly string[] => {
  const metadataNames = [...readNames, ...rootVersions(source).map(version => `${version}.root.json`)];
  const known = new Set([
    ...metadataNames.map(name => `${METADATA_FOLDER}${name}`),
    ...located.map(({ entry }) => entry.name),
  ]);
  return [...archive.entries.keys()].filter(name => !known.has(name));
};

const roleFacts = (repository: VerifiedRepository): Readonly<Record<TopLevelRole, RoleFacts>> => {
  const { timestamp, snapshot, targets } = repository;
  const signed = {
    root: newestRoot(repository),
    timestamp: timestamp.signed,
    snapshot: snapshot.signed,
    targets: targets.signed,
  };
  const facts = (role: TopLevelRole): [TopLevelRole, RoleFacts] => {
    const { version, expiresMs } = signed[role];
    return [role, { version, expiresMs }];
  };
  return Object.fromEntries(TOP_LEVEL_ROLES.map(facts)) as Record<TopLevelRole, RoleFacts>;
};

const artifactSources = (
  { format, artifacts }: ReleaseDescription,
  entryOf: ReadonlyMap<string, ArchiveEntry>,
): ReadonlyMap<ArtifactHash, ArtifactSource> =>
  new Map(
    artifacts
      .filter(({ tags }) => format !== 'v1' || !isComposite(tags))
      .map(({ sha256, targetName }) => {
        const { name, sizeBytes } = entryOf.get(targetName)!;
        return [sha256, { entryName: name, sizeBytes }];
      }),
  );
