/**
 * Reconciles archives with rows while a Nexus runs: the database may lose commits then, as between two starts (P4,
 * adopt.ts).
 *
 *     held archives ─▶ rows ─▶ an archive without a row: its drop is finished | it is recorded again | it is kept and reported
 *                              a row without an archive: it is removed | its archive was kept: it is served again
 *
 * RC1. Held archives are read before the rows: an upload that is recorded meanwhile is not mistaken for a lost one.
 * RC2. Files are listed after the rows: an archive exists before its row, and longer.
 * RC3. A refused archive is kept for the operator, and is no longer held; the next start retries it. If a restore of the
 *      database brings its row back, it is held again. After a transient failure the archive stays
 *      held but is not served, and is retried.
 * RC4. The row has the id of the release: one that was recorded again, and then lost again, has another id.
 * RC5. An archive whose file is gone is no longer held, whatever the database says: a drop may have removed it and then
 *      failed, and nobody else would know that its release has lost this copy.
 */
import type { HealthReason } from '../../../core/facts/reason.ts';
import type { UploadId } from '../../../core/ids.ts';
import type { LocalRepoPort, LocalRepoRecord } from '../../datastore/ports/local-repo-port.ts';
import type { ReleasePort } from '../../datastore/ports/release-port.ts';
import { type DropDeps, finishDrop } from './drop.ts';
import { type HeldRepo, namesOf } from './held-repos.ts';
import { isForgotten, type RecordAgain, recordLostArchive } from './lost-archive.ts';
import { type StagedArchive, writeSidecar } from './staged-archive.ts';

export type ReconcileDeps = Pick<DropDeps, 'directory' | 'repos' | 'log'> & {
  readonly datastore: Pick<LocalRepoPort, 'localRepoList' | 'localRepoForget'> &
    Pick<ReleasePort, 'repoGetByVersion'>;
  readonly recordAgain: RecordAgain;
  /** Receives reasons about an archive for the operator. */
  readonly onNotice: (uploadId: UploadId, reason: HealthReason) => void;
  /** Called for each archive that is held and listed: nothing blocks it any more. */
  readonly onServed: (uploadId: UploadId) => void;
};

type Wait = { readonly signal: AbortSignal };

/** A database that does not answer is an error; the call may be repeated. */
export const reconcileLocalRepos = async (deps: ReconcileDeps, { signal }: Wait): Promise<void> => {
  const { directory, repos, datastore } = deps;
  const before = repos.all(); // RC1
  const rows = await datastore.localRepoList({ nexusId: directory.nexusId, signal });
  const files = await directory.list(); // RC2
  const listed = new Map(rows.map(row => [row.uploadId, row]));
  for (const repo of before) {
    if (files.get(repo.archive.uploadId)?.archive !== true) {
      await forgetGone(deps, repo); // RC5
      continue;
    }
    const row = listed.get(repo.archive.uploadId);
    if (row !== undefined) {
      if (row.repoId !== repo.archive.repoId) await holdAsListed(deps, repo.archive, row); // RC4
      deps.onServed(row.uploadId);
      continue;
    }
    const isDropped = repo.isDropping && !(await isForgotten(datastore, repo.archive, { signal })); // DR3
    if (isDropped) await finishLater(deps, repo);
    else await recordLost(deps, repo, { signal });
  }
  await lookAfterRows(
    deps,
    rows.filter(({ uploadId }) => repos.get(uploadId) === undefined),
    files,
    { signal },
  );
};

/** RC5. What is left of it may stay until the next start: a sidecar alone is removed there. */
const forgetGone = async ({ directory, repos, log }: ReconcileDeps, repo: HeldRepo): Promise<void> => {
  const { archive, file } = repo;
  log.error(
    { ...namesOf(archive), is_dropping: repo.isDropping },
    'local repo without an archive: it is no longer held',
  );
  repos.forget(archive.uploadId);
  await file.retire();
  await directory
    .remove(archive.uploadId)
    .catch((err: unknown) => log.error({ ...namesOf(archive), err }, 'leftover of an upload not removed'));
};

const recordLost = async (deps: ReconcileDeps, repo: HeldRepo, { signal }: Wait): Promise<void> => {
  const { repos, onNotice } = deps;
  const { kind, archive, notice } = await recordLostArchive(deps, repo.archive, { signal });
  onNotice(archive.uploadId, notice);
  if (kind === 'delayed') return; // RC3
  if (kind === 'recorded') repos.hold(archive, 'recorded_again');
  else repos.keepOnly(archive);
  await repo.file.retire();
};

/** G8: a disk that fails to delete one archive must not stop replication. */
const finishLater = (deps: ReconcileDeps, repo: HeldRepo): Promise<void> =>
  finishDrop(deps, repo).catch((err: unknown) =>
    deps.log.error({ ...namesOf(repo.archive), err }, 'dropped local repo cannot be removed yet'),
  );

/** Holds it as its row says; it was held under another id, or only kept. */
const holdAsListed = async (
  { directory, repos, log }: ReconcileDeps,
  archive: StagedArchive,
  { uploadId, repoId }: LocalRepoRecord,
): Promise<void> => {
  const listed = { ...archive, repoId, acknowledged: true, dropping: false };
  const before = repos.get(uploadId);
  await writeSidecar(directory.filesOf(uploadId).sidecar, listed, directory).catch((err: unknown) =>
    log.error({ ...namesOf(listed), err }, 'sidecar not updated'),
  );
  repos.hold(listed, 'listed_again');
  await before?.file.retire();
};

/** Rows of archives that are not held: the archive was only kept, or was dropped and the database restored to a state before that. */
const lookAfterRows = async (
  deps: ReconcileDeps,
  rows: readonly LocalRepoRecord[],
  files: Awaited<ReturnType<ReconcileDeps['directory']['list']>>,
  { signal }: Wait,
): Promise<void> => {
  const { directory, datastore, repos, onServed, log } = deps;
  for (const row of rows) {
    const { uploadId } = row;
    if (files.get(uploadId)?.archive === true) {
      const kept = repos.keptOnly(uploadId);
      if (kept === undefined) continue;
      await holdAsListed(deps, kept, row); // RC3
      onServed(uploadId);
      continue;
    }
    log.error({ upload_id: uploadId }, 'local repo listed without an archive: its row is removed');
    await datastore.localRepoForget(uploadId, directory.nexusId, { signal });
  }
};
