/**
 * The transaction that records a verified archive, and the fate of the archive when the database does not answer.
 *
 *     insert ─┬─ recorded ──────────▶ acknowledged
 *             ├─ a verdict ─────────▶ discarded: it is certainly not recorded
 *             └─ no answer ─────────▶ it waits and is retried (database-patience.ts); a stop in between leaves it to the next
 *                                     start if it may be recorded, and discards it otherwise
 *
 * RR1. Every attempt is the same insert under the same ids: it finds what an earlier one committed (P4).
 * RR2. An archive that may be recorded is never discarded: without its bytes the release would be lost.
 */
import { bundleOfArtifacts } from '../../../bundle/release-bundle.ts';
import type { AuditOrigin } from '../../../core/facts/audit.ts';
import type { RepoId } from '../../../core/ids.ts';
import { RELEASE_ROLES } from '../../../core/release.ts';
import type { Clock } from '../../../lib/clock.ts';
import { DepotError, findDepotError } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { InsertOutcome, ReleasePort } from '../../datastore/ports/release-port.ts';
import type { StagingDirectory } from '../staging/directory.ts';
import type { Incoming } from '../staging/incoming.ts';
import type { StagedArchive } from '../staging/staged-archive.ts';
import type { ArchiveToCheck, CheckedArchive } from './check-archive.ts';
import type { DatabaseWait, Patience } from './database-patience.ts';

/** The status reports a commit without an answer for this long as a wait. */
const SLOW_COMMIT_MS = 5_000;

type RecordDeps = {
  readonly datastore: Pick<ReleasePort, 'releaseInsert'>;
  readonly directory: Pick<StagingDirectory, 'nexusId'>;
  readonly clock: Clock;
  readonly log: Logger;
};

type Recording = {
  readonly incoming: Pick<Incoming, 'discard'>;
  readonly staged: StagedArchive;
  readonly checked: CheckedArchive;
  readonly audit: AuditOrigin | undefined;
  readonly patience: Patience;
  readonly onWait: (wait: DatabaseWait | undefined) => void;
};

/** An archive that was certainly not recorded is discarded; one that may be is left to the next start (RR2). */
export const record = async (
  deps: RecordDeps,
  { incoming, staged, checked, audit, patience, onWait }: Recording,
  { signal }: { readonly signal: AbortSignal },
): Promise<InsertOutcome> => {
  const insert = () =>
    tellSlowCommit(deps.clock, onWait, insertRelease(deps, staged, checked, { signal, audit }));
  try {
    return await patience.run(insert, { signal });
  } catch (error) {
    if (isCertain(error, patience)) await incoming.discard();
    else deps.log.error({ err: error, upload_id: staged.uploadId }, 'upload left to the next start');
    throw error;
  }
};

const isCertain = (error: unknown, { isUncertain }: Patience): boolean => {
  const known = findDepotError(error);
  return known !== undefined && known.code !== 'COMMIT_UNCERTAIN' && !isUncertain();
};

const tellSlowCommit = async <T>(
  clock: Clock,
  onWait: Recording['onWait'],
  committing: Promise<T>,
): Promise<T> => {
  const over = new AbortController();
  const sinceMs = clock.nowMs();
  const told = clock.sleep(SLOW_COMMIT_MS, { signal: over.signal }).then(
    () => onWait({ sinceMs, untilMs: undefined, message: 'the commit is not answered' }),
    () => undefined,
  );
  try {
    const outcome = await committing;
    onWait(undefined);
    return outcome;
  } finally {
    over.abort();
    await told;
  }
};

const insertRelease = (
  { datastore, directory }: Pick<RecordDeps, 'datastore' | 'directory'>,
  { uploadId, repoId, archiveHash, hashKind, fileName, overrides }: StagedArchive,
  { release, move, isCurrent }: CheckedArchive,
  options: Parameters<ReleasePort['releaseInsert']>[1],
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
      prefixesOf: release.prefixesOf,
      trustRootId: release.trustRootId,
      bundle: { ...(release.bundle ?? bundleOfArtifacts(release.description)), isCurrent },
      roles: RELEASE_ROLES.map(role => ({ role, ...release.roles[role] })),
      ...move,
      overrides,
    },
    options,
  );

type RecordAgainDeps = {
  readonly datastore: Pick<ReleasePort, 'releaseInsert' | 'repoGetByHash'>;
  readonly directory: StagingDirectory;
  readonly check: (archive: ArchiveToCheck, options: { signal: AbortSignal }) => Promise<CheckedArchive>;
};

/** For an archive in staging that the database has lost: its new id there. */
export const recordAgain = async (
  deps: RecordAgainDeps,
  archive: StagedArchive,
  signal: AbortSignal,
): Promise<RepoId> => {
  const { uploadId, archiveHash } = archive;
  const known = await deps.datastore.repoGetByHash(archiveHash, { signal });
  if (known !== undefined && known.timePrunedMs !== null)
    throw new DepotError(
      'RELEASE_CONFLICT',
      `release ${known.systemVersion} is deleted in the database; upload it to bring it back`,
    );
  const { archive: path } = deps.directory.filesOf(uploadId);
  const checked = await deps.check(
    { path, archiveHash, allowExpired: true, allowRollback: true, recordedBefore: true },
    { signal },
  );
  const { repo } = await insertRelease(deps, archive, checked, { signal });
  return repo.id;
};
