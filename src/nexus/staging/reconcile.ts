/**
 * Archives and rows of a Nexus that runs, brought into agreement: the database may go back, as it may between two starts
 * (P4, adopt.ts).
 *
 *     held archives ─▶ rows ─▶ an archive without a row: its drop is finished | it is recorded again | it is kept and told
 *                              a row without an archive: it is removed | its archive was kept: it is served again
 *
 * RC1. What is held is read before the rows: an upload that is recorded meanwhile is not taken for a lost one.
 * RC2. Files are listed after the rows: an archive is there before its row, and after it.
 * RC3. What cannot be recorded again is kept for a person to look at, and is not held any more; the next start tries
 *      again. Should its row come back, with another state of the database, it is held again.
 */
import type { HealthReason } from '../../core/health.ts';
import type { UploadId } from '../../core/ids.ts';
import type { Datastore, LocalRepoRecord } from '../datastore/datastore.ts';
import { type DropDeps, finishDrop } from './drop.ts';
import type { HeldRepo } from './held-repos.ts';
import { isForgotten, type RecordAgain, recordLostArchive } from './lost-archive.ts';

export type ReconcileDeps = Pick<DropDeps, 'directory' | 'repos' | 'log'> & {
  readonly datastore: Pick<Datastore, 'localRepoList' | 'localRepoForget' | 'repoGetByVersion'>;
  readonly recordAgain: RecordAgain;
  /** Told what an operator should know of an archive; undefined where that is over. */
  readonly onNotice: (uploadId: UploadId, reason: HealthReason | undefined) => void;
};

type Wait = { readonly signal: AbortSignal };

/** A database that does not answer is an error; it can be repeated. */
export const reconcileLocalRepos = async (deps: ReconcileDeps, { signal }: Wait): Promise<void> => {
  const { directory, repos, datastore } = deps;
  const before = repos.all(); // RC1
  const rows = await datastore.localRepoList({ nexusId: directory.nexusId, signal });
  const listed = new Set(rows.map(row => row.uploadId));
  for (const repo of before) {
    if (listed.has(repo.archive.uploadId)) continue;
    const isDropped = repo.isDropping && !(await isForgotten(datastore, repo.archive, { signal })); // DR3
    if (isDropped) await finishDrop(deps, repo);
    else await recordLost(deps, repo, { signal });
  }
  await lookAfterRows(
    deps,
    rows.filter(({ uploadId }) => repos.get(uploadId) === undefined),
    { signal },
  );
};

const recordLost = async (
  deps: ReconcileDeps,
  { archive, file }: HeldRepo,
  { signal }: Wait,
): Promise<void> => {
  const { repos, onNotice } = deps;
  const { recorded, notice } = await recordLostArchive(deps, archive, { signal });
  if (recorded !== undefined) repos.hold(recorded, 'recorded_again');
  else repos.keepOnly(archive); // RC3
  onNotice(archive.uploadId, notice);
  await file.retire();
};

/** Rows of archives that are not held: they were kept only, or were dropped, and the database went back to before that. */
const lookAfterRows = async (
  { directory, datastore, repos, onNotice, log }: ReconcileDeps,
  rows: readonly LocalRepoRecord[],
  { signal }: Wait,
): Promise<void> => {
  if (rows.length === 0) return;
  const files = await directory.list(); // RC2
  for (const { uploadId, repoId } of rows) {
    if (files.get(uploadId)?.archive === true) {
      const kept = repos.keptOnly(uploadId);
      if (kept === undefined) continue;
      repos.hold({ ...kept, repoId }, 'listed_again'); // RC3
      onNotice(uploadId, undefined);
      continue;
    }
    log.error({ upload_id: uploadId }, 'local repo listed without an archive: its row is removed');
    await datastore.localRepoForget(uploadId, directory.nexusId, { signal });
  }
};
