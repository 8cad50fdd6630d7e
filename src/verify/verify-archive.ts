/**
 * Verifies a release archive whole, in the calling thread.
 *
 *     file ─▶ archive ─▶ TUF metadata ─▶ sizes of all targets ─▶ artifact document ─▶ bytes of all targets ─▶ parts ─▶ release
 *
 * VA1. A returned release was checked to the last byte: signatures up to a trust root, and length, hashes and CRC-32 of
 *      every target, replicated or not (B2).
 * VA2. Cheap checks come first: an archive that cannot pass is refused before its bulk is read.
 * VA3. Nothing is written, and the only time is that of the request: the same file and request give the same verdict, unless the
 *      machine is too slow for the deadline of the work (WB3).
 * VA4. Entries that no check has read are read last: one that does not match its CRC-32 means that the archive is damaged.
 * VA5. Known digests save time and change nothing: with any subset of them the verdict, the report and the errors are the same.
 */
import { type Archive, openArchive } from '../archive/archive.ts';
import type { ArchiveEntry } from '../archive/content.ts';
import type { RandomAccessFile } from '../archive/random-access.ts';
import { folderOf, METADATA_FOLDER, TARGETS_FOLDER } from '../archive/release-folders.ts';
import { bundleOfRelease } from '../bundle/release-bundle.ts';
import type { ArtifactHash } from '../core/ids.ts';
import { systemClock } from '../lib/clock.ts';
import { requireEntry } from '../lib/require-entry.ts';
import { type DescribedRelease, readRelease, withHashes } from '../tuf/release-description.ts';
import { metadataDigest } from '../tuf/release-identity.ts';
import { TOP_LEVEL_ROLES, type TopLevelRole } from '../tuf/role-names.ts';
import { createWorkBudget } from '../tuf/work-budget.ts';
import { type VerifiedRepository, verifyRepository } from '../tuf/workflow.ts';
import { hasComposites, splitComposites } from './composites.ts';
import { type CheckRecorder, createCheckRecorder } from './recorder.ts';
import { keptWholeText, leftOutNote, passedChecks, splitText, unsignedText } from './report.ts';
import { hashTargets, locateTargets } from './targets.ts';
import { recording, unreadEntries, unsignedEntries } from './unsigned-files.ts';
import type {
  ArtifactSource,
  RoleFacts,
  VerifiedRelease,
  VerifyOptions,
  VerifyRequest,
} from './verified-release.ts';
import { requireRelease } from './verify-roots.ts';

/**
 * Throws the `ARCHIVE_…` errors of the reader, the `METADATA_…` and trust errors of the TUF workflow,
 * `RELEASE_DOCUMENT_INVALID`, `COMPOSITE_INVALID`, and `TARGET_MISSING`, `TARGET_LENGTH_MISMATCH` or `TARGET_HASH_MISMATCH`, which name
 * the target; rejects with the signal's reason when it aborts. The file stays the caller's to close.
 */
export const verifyArchive = async <Id extends string>(
  file: RandomAccessFile,
  request: VerifyRequest<Id>,
  options: VerifyOptions,
): Promise<VerifiedRelease<Id>> => {
  const recorder = createCheckRecorder(request.nowMs);
  try {
    return await verifyRecorded(file, request, options, recorder);
  } catch (error) {
    if (options.signal.aborted) throw error;
    throw recorder.withReport(error);
  }
};

const verifyRecorded = async <Id extends string>(
  file: RandomAccessFile,
  request: VerifyRequest<Id>,
  options: VerifyOptions,
  recorder: CheckRecorder,
): Promise<VerifiedRelease<Id>> => {
  const { signal } = options;
  const archive = await openArchive(file, request.limits === undefined ? {} : { limits: request.limits });
  signal.throwIfAborted();
  requireRelease(archive);
  const metadata = recording(folderOf(archive, METADATA_FOLDER, { signal }), archive);
  const repository = await verifyRepository(metadata.source, {
    ...trustOptions(request),
    watch: recorder.watch,
  });
  recorder.overridden(repository.overrides);
  const { read: readTarget } = folderOf(archive, TARGETS_FOLDER, { signal });
  const located = await recorder.step(
    async () => locateTargets(archive, repository.allTargets, repository.consistentSnapshot),
    targets => `each of the ${targets.length} signed targets is there, with its signed length`,
    '5.7',
  );
  const described = await recorder.step(() => readRelease(repository, readTarget), documentText);
  const { totalBytes, sha256Of, ...hashed } = await recorder.step(
    () => hashTargets(archive, located, options),
    hashed => `all ${hashed.totalBytes} bytes of the targets have their signed hashes`,
    '5.7.3',
  );
  const document = withHashes(described, sha256Of);
  const entryOf = new Map(located.map(({ name, entry }) => [name, entry]));
  const splitRelease = () =>
    splitComposites(
      document,
      targetName => {
        const entry = requireEntry(entryOf, targetName, 'the entry of the target');
        return { entryName: entry.name, content: () => archive.read(entry, { signal, checksum: false }) };
      },
      { limits: request.limits, prefixUnitBytes: options.prefixUnitBytes },
    );
  const { unknownKinds, findings, ...split } = await (hasComposites(document)
    ? recorder.step(splitRelease, ({ composites }) => composites.map(splitText).join('; '))
    : splitRelease());
  if (unknownKinds.length > 0) recorder.note(keptWholeText(unknownKinds));
  for (const finding of findings) recorder.note(finding);

  await readRest(archive, unreadEntries(archive, metadata, located), options);
  const unsignedFiles = unsignedEntries(archive, metadata, located);
  if (unsignedFiles.length > 0) recorder.note(unsignedText(unsignedFiles));
  if (repository.leftOut.length > 0) recorder.note(leftOutNote(repository.leftOut));
  const facts = {
    ...split,
    ...repositoryFacts(repository),
    bundle: bundleOfRelease(split.description, metadata.files, repository.allTargets),
    entries: artifactSources(split, entryOf),
    prefixesOf: artifactPrefixes(split, hashed),
    unsignedFiles,
  };
  const targetCount = located.length;
  const report = passedChecks({ ...facts, archive, targetCount, totalBytes, unknownKinds, findings });
  return { ...facts, report, checks: recorder.checks() };
};

/** VA4. Throws `ARCHIVE_DAMAGED`, naming the entry. */
const readRest = async (
  archive: Archive,
  entries: readonly ArchiveEntry[],
  { signal, known }: VerifyOptions,
): Promise<void> => {
  for (const entry of entries) {
    if (known?.(entry) !== undefined) continue;
    for await (const _ of archive.read(entry, { signal }));
  }
};

/** The part of a request about the metadata, with a budget of its own. */
export const trustOptions = <Id extends string>(request: VerifyRequest<Id>) => ({
  trustRoots: request.trustRoots,
  nowMs: request.nowMs,
  allowExpired: request.allowExpired ?? false,
  allowRollback: request.allowRollback ?? false,
  signatures: request.signatures,
  rollback: (id: Id) => request.trustedVersions?.get(id),
  budget: createWorkBudget({ monotonicMs: systemClock.monotonicMs }),
});

export const documentText = ({
  systemVersion,
  artifacts,
  format,
}: Pick<DescribedRelease, 'systemVersion' | 'artifacts' | 'format'>): string =>
  `release ${systemVersion} has ${artifacts.length} artifacts (format ${format}), each of them a signed target`;

/** The facts about verified metadata, from any source. */
export const repositoryFacts = <Id extends string>(repository: VerifiedRepository<Id>) => ({
  targetsSha256: metadataDigest(repository),
  trustRootId: repository.trustRootId,
  roots: repository.roots
    .slice(1)
    .map(({ signed, bytes }) => ({ version: signed.version, rootBytes: bytes })),
  versions: repository.versions,
  roles: roleFacts(repository),
  overrides: repository.overrides,
});

const roleFacts = (repository: VerifiedRepository): Readonly<Record<TopLevelRole, RoleFacts>> => {
  const { newestRoot, timestamp, snapshot, targets } = repository;
  const signed = {
    root: newestRoot.signed,
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

/** Of those of the artifacts, whole targets or parts, that have some. */
const artifactPrefixes = (
  split: Pick<VerifiedRelease, 'description' | 'prefixesOf'>,
  hashed: Pick<VerifiedRelease, 'prefixesOf'>,
): VerifiedRelease['prefixesOf'] =>
  new Map(
    split.description.artifacts.flatMap(({ sha256 }) => {
      const prefixes = hashed.prefixesOf.get(sha256) ?? split.prefixesOf.get(sha256);
      return prefixes === undefined ? [] : [[sha256, prefixes] as const];
    }),
  );

/** Of those that are whole targets. */
const artifactSources = (
  { description, composites }: Pick<VerifiedRelease, 'description' | 'composites'>,
  entryOf: ReadonlyMap<string, ArchiveEntry>,
): ReadonlyMap<ArtifactHash, ArtifactSource> => {
  const parts = new Set(composites.flatMap(composite => composite.parts));
  return new Map(
    description.artifacts
      .filter(artifact => !parts.has(artifact))
      .map(({ sha256, targetName }) => {
        const { name, sizeBytes } = requireEntry(entryOf, targetName, 'the entry of the target');
        return [sha256, { entryName: name, sizeBytes }];
      }),
  );
};
