/**
 * The upload path: from a request body to a release that is recorded and replicated.
 *
 *     body ─▶ receive ─▶ check ─▶ make durable ─▶ record ─▶ acknowledge ─▶ hold ─▶ activate replication
 *             (part)     (every byte)  (archive, parts, sidecar)  (one transaction)
 *               └─▶ follow: hashed while it arrives ─▶ check reads again only what differs
 *
 * U1. Verify first, then record, then hand over (S3). A refused upload leaves nothing: no file, no row.
 * U2. The database never lists bytes that a crash could lose: they are durable before it is asked (B1).
 * U3. Until the database has answered, staging keeps the archive (P4). A stop in between leaves it to the next
 *     start, which asks the database for the outcome.
 * U4. A client that disconnects ends its upload, unless the archive is durable already, or the client has received the id of
 *     a waiting upload: then the upload goes on without a client.
 * U5. Roots without a release move trust roots forward, and leave nothing in staging.
 * U6. An `already_exists` upload hands over its bytes like any other: they may be the only copy left (S3).
 * U7. A received archive is not discarded while the database is away: it waits, bounded in number by the limit of uploads at
 *     once and in time by {@link UploadWaits}, and the status names it (database-patience.ts).
 */
import type { AuditOrigin } from '../../../core/facts/audit.ts';
import type { HealthReason } from '../../../core/facts/reason.ts';
import { type ArtifactHash, RepoId, UploadId } from '../../../core/ids.ts';
import type { Rng } from '../../../core/rng.ts';
import type { Clock } from '../../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { FollowedArchive } from '../../../verify/follow-archive.ts';
import type { DatabaseWatch } from '../../datastore/database-watch.ts';
import type { InsertOutcome, ReleasePort } from '../../datastore/ports/release-port.ts';
import type { Note } from '../../history/history.ts';
import type { StagingDirectory } from '../staging/directory.ts';
import { openIncoming } from '../staging/incoming.ts';
import type { LocalRepos } from '../staging/local-repos.ts';
import type { StagingSpace } from '../staging/space.ts';
import { type StagedArchive, type StagedArtifact, writeSidecar } from '../staging/staged-archive.ts';
import type { ArchiveToCheck, CheckedArchive } from './check-archive.ts';
import { followClient } from './client-wait.ts';
import {
  createPatience,
  type DatabaseWait,
  type Patience,
  type PatienceLimits,
} from './database-patience.ts';
import type { FleetCapacity } from './fleet-capacity.ts';
import { receive, requireSize } from './receive-body.ts';
import { record, recordAgain } from './record-release.ts';
import type { RootArchive, RootOutcome } from './root-upload.ts';
import type { UploadLimits, UploadOutcome, UploadRequest } from './upload.ts';
import { createUploadStates, type UploadReport, type UploadTracker } from './upload-states.ts';

export type UploadWaits = PatienceLimits & {
  /** After this wait for the database the client receives the upload's id. */
  readonly answerAfterMs: number;
};

/** Proxies and clients close a request that is silent for a minute. An outage of an hour will not end soon. */
const DEFAULT_UPLOAD_WAITS: UploadWaits = { answerAfterMs: 20_000, waitMs: 60 * 60_000 };

export type Uploads = {
  /**
   * Resolves when it is recorded. While it waits for the database: `DATABASE_UNAVAILABLE` with `upload_id` in its
   * detail after a while, and the upload goes on; with `isPatient` it resolves or rejects only when the upload ends.
   */
  readonly upload: (
    request: UploadRequest,
    options: { readonly signal: AbortSignal; readonly isPatient?: boolean },
  ) => Promise<UploadOutcome>;
  /** For an archive in staging that the database has lost: its new id there. */
  readonly recordAgain: (archive: StagedArchive, options: { signal: AbortSignal }) => Promise<RepoId>;
  /** The state of an upload; undefined for one that this process does not know. */
  readonly find: (uploadId: UploadId) => UploadReport | undefined;
  /** Running uploads, including those that wait for the database. */
  readonly inProgress: () => number;
  /** Uploads that wait, for the status. */
  readonly reasons: () => readonly HealthReason[];
  /** Ends the waits for the database, and waits for the running uploads. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Deps = {
  readonly datastore: Pick<ReleasePort, 'releaseInsert' | 'repoGetByHash'>;
  readonly directory: StagingDirectory;
  readonly space: StagingSpace;
  readonly localRepos: Pick<LocalRepos, 'hold'>;
  readonly capacity: FleetCapacity;
  readonly check: (archive: ArchiveToCheck, options: { signal: AbortSignal }) => Promise<CheckedArchive>;
  /** Hashes the entries of an archive while it is received. */
  readonly follow: (path: string) => FollowedArchive;
  /** For an archive of roots alone, which `check` refuses as `ROOTS_ONLY`. */
  readonly takeRoots: (
    archive: RootArchive & { readonly path: string },
    options: { signal: AbortSignal; newOrigin: UploadRequest['newOrigin'] },
  ) => Promise<RootOutcome>;
  readonly note: Note;
  readonly activateReplication: () => void;
  readonly limits: UploadLimits;
  readonly waits?: UploadWaits | undefined;
  readonly watch: Pick<DatabaseWatch, 'waitForAnswer'>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly newId: () => string;
  readonly log: Logger;
};

export const createUploads = (deps: Deps): Uploads => {
  const { limits, waits = DEFAULT_UPLOAD_WAITS, clock } = deps;
  const stop = new AbortController();
  const running = new Set<Promise<UploadOutcome>>();
  const states = createUploadStates();

  return {
    async upload(request, { signal, isPatient = false }) {
      stop.signal.throwIfAborted();
      if (running.size >= limits.uploadsAtOnce) throw tooManyUploads(limits.uploadsAtOnce, states.waiting());
      const uploadId = UploadId.parse(deps.newId());
      const tracker = states.begin(uploadId, request.fileName);
      const client = followClient(clock, {
        ...{ uploadId, signal, report: () => states.get(uploadId) },
        answerAfterMs: isPatient ? undefined : waits.answerAfterMs,
      });
      const onWait = (wait: DatabaseWait | undefined): void => {
        tracker.waits(wait);
        client.waits(wait !== undefined);
      };
      const patience = createPatience(deps, waits, onWait);
      const upload = runUpload(deps, request, {
        ...{ uploadId, tracker, patience, onWait },
        audit: request.newOrigin?.(),
        present: AbortSignal.any([client.signal, stop.signal]),
        stopping: stop.signal,
      })
        .then(
          outcome => {
            tracker.recorded(outcome);
            return outcome;
          },
          (error: unknown) => {
            tracker.failed(error);
            throw error;
          },
        )
        .finally(() => running.delete(upload));
      running.add(upload);
      return await client.answer(upload);
    },
    recordAgain: (archive, { signal }) => recordAgain(deps, archive, signal),
    find: states.get,
    inProgress: () => running.size,
    reasons: states.reasons,
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'this Nexus is stopping; send the archive again'));
      await Promise.allSettled(running);
    },
  };
};

/** One running upload. */
type Job = {
  readonly uploadId: UploadId;
  /** Of its release; the same for each attempt to record it. */
  readonly audit: AuditOrigin | undefined;
  readonly tracker: UploadTracker;
  readonly patience: Patience;
  readonly onWait: (wait: DatabaseWait | undefined) => void;
  /** Aborts when the client goes away (U4), or the process ends. */
  readonly present: AbortSignal;
  /** Aborts with the end of the process, the only event that ends recording (U4). */
  readonly stopping: AbortSignal;
};

const runUpload = async (deps: Deps, request: UploadRequest, job: Job): Promise<UploadOutcome> => {
  const { uploadId, present: signal, tracker } = job;
  const log = deps.log.child({ upload_id: uploadId });
  requireSize(request.contentLength ?? 0, deps.limits);
  // While the database is away the client is refused before its first byte.
  if (request.contentLength !== undefined)
    await deps.capacity.checkAnnounced(request.contentLength, { signal });
  await using followed = deps.follow(deps.directory.filesOf(uploadId).part);
  await using incoming = await openIncoming(
    deps,
    { uploadId, announcedBytes: request.contentLength, onWritten: followed.grewTo },
    { signal },
  );
  const { archiveHash, sizeBytes } = await receive(incoming, request, deps.limits, signal);
  log.info(
    { file_name: request.fileName, size_bytes: sizeBytes, archive_hash: archiveHash },
    'upload received',
  );
  tracker.stage('verifying');
  const { path } = incoming;
  const digests = await followed.digests({ signal });
  const checked = await verify(deps, request, { path, archiveHash, digests }, job);
  if (!('release' in checked)) return checked;

  const parts = await incoming.extractParts(checked.release.composites, {
    limits: { maxEntryBytes: deps.limits.artifactBytes },
    signal,
  });
  const { fileName, hashKind = 'archive' } = request;
  const staged = describeStaged(checked, parts, {
    ...{ uploadId, fileName, archiveHash, hashKind },
    repoId: RepoId.parse(deps.newId()),
  });
  signal.throwIfAborted();
  tracker.stage('recording', staged.systemVersion);
  await incoming.keep(staged);
  const inserted = await record(deps, { ...job, incoming, staged, checked }, { signal: job.stopping });
  await acknowledge({ ...deps, log }, staged, checked, { ...inserted, waitedMs: job.patience.waitedMs() });
  const { report, overrides, release } = checked;
  return { status: inserted.status, repo: inserted.repo, report, overrides, checks: release.checks };
};

/** A release that fits on the fleet, or the outcome of an archive of roots (U5). Waits for the database (U7). */
const verify = async (
  { check, takeRoots, capacity }: Deps,
  { fileName, allowExpired, allowRollback, allowRevokedKeys = false, newOrigin }: UploadRequest,
  archive: Pick<ArchiveToCheck, 'path' | 'archiveHash' | 'digests'>,
  { patience, present: signal }: Job,
): Promise<CheckedArchive | RootOutcome> => {
  const checked = await patience
    .run(() => check({ ...archive, allowExpired, allowRollback, allowRevokedKeys }, { signal }), { signal })
    .catch((error: unknown) => {
      if (errorCodeOf(error) === 'ROOTS_ONLY') return undefined;
      throw error;
    });
  if (checked === undefined) {
    const roots = { path: archive.path, hash: archive.archiveHash, fileName };
    return await patience.run(() => takeRoots(roots, { signal, newOrigin }), { signal });
  }
  await patience.run(() => capacity.checkRelease(artifactSizes(checked), { signal }), { signal });
  return checked;
};

/** The release is recorded: the history has it, the archive is held, and replication begins. */
const acknowledge = async (
  { directory, localRepos, note, activateReplication, log }: Deps,
  staged: StagedArchive,
  { overrides }: CheckedArchive,
  { status, repo, generation, waitedMs }: InsertOutcome & { readonly waitedMs: number },
): Promise<void> => {
  const { systemVersion, id: repoId } = repo;
  const { uploadId } = staged;
  const wasThere = status === 'already_exists';
  const waited = Math.round(waitedMs);
  note({
    ...{ kind: 'release_recorded', systemVersion, generation, uploadId, wasThere },
    ...{ waitedMs: waited, overrides },
  });

  const acknowledged = { ...staged, repoId, acknowledged: true };
  // The release is committed. If this mark is lost, restoring a backup may drop the upload.
  await writeSidecar(directory.filesOf(uploadId).sidecar, acknowledged, directory).catch((err: unknown) =>
    log.error({ err }, 'sidecar not updated'),
  );
  localRepos.hold(acknowledged);
  activateReplication();
  log.info({ system_version: systemVersion, repo_id: repoId, status, overrides }, 'release recorded');
};

const describeStaged = (
  { release, overrides }: CheckedArchive,
  parts: StagedArchive['artifacts'],
  upload: Pick<StagedArchive, 'uploadId' | 'repoId' | 'fileName' | 'archiveHash' | 'hashKind'>,
): StagedArchive => ({
  ...upload,
  systemVersion: release.description.systemVersion,
  overrides,
  // An entry of the archive has precedence over an equal part: it needs no second file.
  artifacts: new Map<ArtifactHash, StagedArtifact>([...parts, ...release.entries]),
  acknowledged: false,
  dropping: false,
});

const artifactSizes = ({ release }: CheckedArchive): ReadonlyMap<ArtifactHash, number> =>
  new Map(release.description.artifacts.map(({ sha256, sizeBytes }) => [sha256, sizeBytes]));

const tooManyUploads = (limit: number, waiting: number): DepotError =>
  new DepotError(
    'TOO_MANY_UPLOADS',
    `${limit} uploads are in progress, the limit of this Nexus (limits.uploads_at_once)` +
      `${waiting === 0 ? '' : `, ${waiting} of them wait for the database`}; ` +
      'send this one when one of them has ended, or to another Nexus',
    { detail: { limit, retry_after_s: 10 } },
  );
