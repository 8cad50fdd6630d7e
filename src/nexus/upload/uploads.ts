/**
 * The upload path: from a request body to a release that the database knows and replication spreads.
 *
 *     body ─▶ receive ─▶ check ─▶ make durable ─▶ record ─▶ acknowledge ─▶ hold ─▶ activate replication
 *             (part)     (every byte)  (archive, parts, sidecar)  (one transaction)
 *
 * U1. Verify first, then record, then hand over (S3). What is refused leaves nothing: no file, no row.
 * U2. The database never knows of bytes that a crash could take: they are durable before it is asked (B1).
 * U3. Until the database has answered, staging keeps the archive (P4). A stop in between leaves it to the next
 *     start, which asks the database what became of it.
 * U4. A client that goes away ends its upload until the archive is durable; after that the upload goes on, since
 *     its outcome is the same whether or not anybody hears of it.
 * U5. Roots without a release move trust roots forward, and leave nothing in staging.
 * U6. `already_exists` hands the bytes over like any other: they may be the only copy left (S3).
 */
import { type ArtifactHash, RepoId, UploadId } from '../../core/ids.ts';
import { RELEASE_ROLES } from '../../core/release.ts';
import type { ReportedCheck } from '../../lib/check-report.ts';
import { DepotError, errorCodeOf, findDepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Datastore, InsertOutcome, RepoRecord } from '../datastore/datastore.ts';
import type { Note } from '../history/history.ts';
import type { StagingDirectory } from '../staging/directory.ts';
import { type Incoming, openIncoming } from '../staging/incoming.ts';
import type { LocalRepos } from '../staging/local-repos.ts';
import type { StagingSpace } from '../staging/space.ts';
import { type StagedArchive, type StagedArtifact, writeSidecar } from '../staging/staged-archive.ts';
import type { ArchiveToCheck, CheckedArchive } from './check-archive.ts';
import type { FleetCapacity } from './fleet-capacity.ts';
import type { RootOutcome } from './root-upload.ts';

export type UploadRequest = {
  readonly fileName: string;
  /** By what the release is known: the archive, or the signed targets where this Nexus fetched it (S18). */
  readonly hashKind?: 'archive' | 'targets';
  readonly allowExpired: boolean;
  readonly allowRollback: boolean;
  /** As announced; undefined when the client did not say. */
  readonly contentLength: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
};

export type ReleaseOutcome = {
  readonly status: InsertOutcome['status'];
  readonly repo: RepoRecord;
  readonly report: readonly string[];
  readonly overrides: readonly string[];
  /** Every check, in order. */
  readonly checks: readonly ReportedCheck[];
};

export type UploadOutcome = ReleaseOutcome | RootOutcome;

export type UploadLimits = {
  readonly repositoryBytes: number;
  readonly artifactBytes: number;
  readonly uploadsAtOnce: number;
};

export type Uploads = {
  readonly upload: (request: UploadRequest, options: { signal: AbortSignal }) => Promise<UploadOutcome>;
  /** For an archive in staging that the database forgot: its id there now. */
  readonly recordAgain: (archive: StagedArchive, options: { signal: AbortSignal }) => Promise<RepoId>;
  readonly inProgress: () => number;
  /** Gives up on answers of the database that do not come, and waits for what is under way. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Deps = {
  readonly datastore: Pick<Datastore, 'releaseInsert' | 'repoGetByHash'>;
  readonly directory: StagingDirectory;
  readonly space: StagingSpace;
  readonly localRepos: Pick<LocalRepos, 'hold'>;
  readonly capacity: FleetCapacity;
  readonly check: (archive: ArchiveToCheck, options: { signal: AbortSignal }) => Promise<CheckedArchive>;
  /** For an archive of roots alone, which `check` refuses as `ROOTS_ONLY`. */
  readonly takeRoots: (path: string, options: { signal: AbortSignal }) => Promise<RootOutcome>;
  readonly note: Note;
  readonly activateReplication: () => void;
  readonly limits: UploadLimits;
  readonly newId: () => string;
  readonly log: Logger;
};

/** With what recording ends, and nothing else (U4): the end of the process. */
type Stopping = { readonly stopping: AbortSignal };

export const createUploads = (deps: Deps): Uploads => {
  const { limits } = deps;
  const stop = new AbortController();
  const running = new Set<Promise<UploadOutcome>>();

  return {
    async upload(request, { signal }) {
      stop.signal.throwIfAborted();
      if (running.size >= limits.uploadsAtOnce) throw tooManyUploads(limits.uploadsAtOnce);
      const upload = runUpload({ ...deps, stopping: stop.signal }, request, signal);
      running.add(upload);
      try {
        return await upload;
      } finally {
        running.delete(upload);
      }
    },
    recordAgain: (archive, { signal }) => recordAgain(deps, archive, signal),
    inProgress: () => running.size,
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'this Nexus is stopping; send the archive again'));
      await Promise.allSettled(running);
    },
  };
};

const runUpload = async (
  deps: Deps & Stopping,
  request: UploadRequest,
  requestSignal: AbortSignal,
): Promise<UploadOutcome> => {
  const signal = AbortSignal.any([requestSignal, deps.stopping]);
  const { directory, localRepos, capacity } = deps;
  const uploadId = UploadId.parse(deps.newId());
  const log = deps.log.child({ upload_id: uploadId });

  requireSize(request.contentLength ?? 0, deps.limits);
  if (request.contentLength !== undefined) await capacity.checkAnnounced(request.contentLength, { signal });
  await using incoming = await openIncoming(
    deps,
    { uploadId, announcedBytes: request.contentLength },
    { signal },
  );
  const { archiveHash, sizeBytes } = await receive(incoming, request, deps.limits, signal);
  log.info(
    { file_name: request.fileName, size_bytes: sizeBytes, archive_hash: archiveHash },
    'upload received',
  );

  const { allowExpired, allowRollback, fileName, hashKind = 'archive' } = request;
  const { path } = incoming;
  const checked = await deps
    .check({ path, archiveHash, allowExpired, allowRollback }, { signal })
    .catch((error: unknown) => {
      if (errorCodeOf(error) === 'ROOTS_ONLY') return undefined;
      throw error;
    });
  if (checked === undefined) return await deps.takeRoots(path, { signal });
  await capacity.checkRelease(artifactSizes(checked), { signal });

  const parts = await incoming.extractParts(checked.release.composites, {
    limits: { maxEntryBytes: deps.limits.artifactBytes },
    signal,
  });
  const staged = describeStaged(checked, parts, {
    ...{ uploadId, fileName, archiveHash, hashKind },
    repoId: RepoId.parse(deps.newId()),
  });
  signal.throwIfAborted();
  await incoming.keep(staged);
  const { status, repo, generation } = await record(deps, incoming, staged, checked);
  const { systemVersion, id: repoId } = repo;
  const { report, overrides, release } = checked;
  const message = [status.replace('_', ' '), `upload ${uploadId}`, ...overrides].join('; ');
  deps.note({ kind: 'release_recorded', systemVersion, generation, message });

  const acknowledged = { ...staged, repoId, acknowledged: true };
  // Recorded is recorded: without the mark the worst is that a database that goes back takes this upload along.
  await writeSidecar(directory.filesOf(uploadId).sidecar, acknowledged, directory).catch((err: unknown) =>
    log.error({ err }, 'sidecar not updated'),
  );
  localRepos.hold(acknowledged);
  deps.activateReplication();
  log.info({ system_version: systemVersion, repo_id: repoId, status, overrides }, 'release recorded');
  return { status, repo, report, overrides, checks: release.checks };
};

const receive = async (
  incoming: Incoming,
  { chunks, contentLength }: UploadRequest,
  limits: UploadLimits,
  signal: AbortSignal,
): Promise<ReturnType<Incoming['seal']>> => {
  let receivedBytes = 0;
  for await (const chunk of chunks) {
    receivedBytes += chunk.length;
    requireSize(receivedBytes, limits);
    await incoming.write(chunk, { signal });
  }
  if (contentLength !== undefined && receivedBytes !== contentLength)
    throw new DepotError(
      'BODY_INCOMPLETE',
      `${contentLength} bytes were announced and ${receivedBytes} came; send the archive again`,
      { detail: { announced_bytes: contentLength, received_bytes: receivedBytes } },
    );
  return incoming.seal();
};

const requireSize = (bytes: number, { repositoryBytes }: UploadLimits): void => {
  if (bytes <= repositoryBytes) return;
  throw new DepotError(
    'BODY_TOO_LARGE',
    `a repository may have ${repositoryBytes} bytes (limits.repository_bytes); this one has ${bytes} or more`,
    { detail: { limit_bytes: repositoryBytes } },
  );
};

const describeStaged = (
  { release, overrides }: CheckedArchive,
  parts: StagedArchive['artifacts'],
  upload: Pick<StagedArchive, 'uploadId' | 'repoId' | 'fileName' | 'archiveHash' | 'hashKind'>,
): StagedArchive => ({
  ...upload,
  systemVersion: release.description.systemVersion,
  overrides,
  // An entry of the archive wins over an equal part: it has a checksum of its own.
  artifacts: new Map<ArtifactHash, StagedArtifact>([...parts, ...release.entries]),
  acknowledged: false,
  dropping: false,
});

const artifactSizes = ({ release }: CheckedArchive): ReadonlyMap<ArtifactHash, number> =>
  new Map(release.description.artifacts.map(({ sha256, sizeBytes }) => [sha256, sizeBytes]));

/** What was certainly not recorded is taken away; the rest is for the next start to decide (U3). */
const record = async (
  deps: Deps & Stopping,
  incoming: Incoming,
  staged: StagedArchive,
  checked: CheckedArchive,
): Promise<InsertOutcome> => {
  try {
    return await insertRelease(deps, staged, checked, deps.stopping);
  } catch (error) {
    if (isCertain(error)) await incoming.discard();
    else deps.log.error({ err: error, upload_id: staged.uploadId }, 'upload left to the next start');
    throw error;
  }
};

const isCertain = (error: unknown): boolean => {
  const known = findDepotError(error);
  return known !== undefined && known.code !== 'COMMIT_UNCERTAIN';
};

const insertRelease = (
  { datastore, directory }: Deps,
  { uploadId, repoId, archiveHash, hashKind, fileName, overrides }: StagedArchive,
  { release, trustRootId, move }: CheckedArchive,
  signal: AbortSignal,
): Promise<InsertOutcome> =>
  datastore.releaseInsert(
    {
      repoId,
      uploadId,
      nexusId: directory.nexusId,
      hash: hashKind === 'archive' ? archiveHash : release.targetsSha256,
      hashKind,
      fileName,
      description: release.description,
      trustRootId,
      roles: RELEASE_ROLES.map(role => ({ role, ...release.roles[role] })),
      ...move,
      overrides,
    },
    { signal },
  );

const recordAgain = async (deps: Deps, archive: StagedArchive, signal: AbortSignal): Promise<RepoId> => {
  const { uploadId, archiveHash } = archive;
  const known = await deps.datastore.repoGetByHash(archiveHash, { signal });
  if (known !== undefined && known.timePrunedMs !== null)
    throw new DepotError(
      'RELEASE_CONFLICT',
      `release ${known.systemVersion} is deleted in the database; if it should come back, upload it`,
    );
  const { archive: path } = deps.directory.filesOf(uploadId);
  const checked = await deps.check(
    { path, archiveHash, allowExpired: true, allowRollback: true, recordedBefore: true },
    { signal },
  );
  const { repo } = await insertRelease(deps, archive, checked, signal);
  return repo.id;
};

const tooManyUploads = (limit: number): DepotError =>
  new DepotError(
    'TOO_MANY_UPLOADS',
    `${limit} uploads are under way, the most that this Nexus takes at once (limits.uploads_at_once); ` +
      'send this one when one of them is over, or to another Nexus',
    { detail: { limit, retry_after_s: 10 } },
  );
