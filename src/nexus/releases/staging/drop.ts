/**
 * Drops a local repo:
 *
 *     sidecar marked ─▶ transaction: row, and wanted set as planned? ─┬─ yes ─▶ files removed
 *                                                                     └─ no ──▶ mark removed, archive kept
 *
 * DR1. The mark comes first and the files last (P4). After any interruption a start finds either the row, and adopts the
 *      archive again, or the mark and a release that the database knows, and removes the archive.
 * DR2. A drop ends when the files are removed; until then it blocks nothing, and each round retries it.
 * DR3. A row that is missing although no drop removed it was lost by the database: the archive is kept. The same holds if
 *      its release is missing too, even during a drop: a drop removes only rows of local repos.
 */
import type { UploadId } from '../../../core/ids.ts';
import type { Logger } from '../../../lib/log.ts';
import type { LocalRepoPort } from '../../datastore/ports/local-repo-port.ts';
import type { ReleasePort } from '../../datastore/ports/release-port.ts';
import type { Note } from '../../history/history.ts';
import type { StagingDirectory } from './directory.ts';
import { type HeldRepo, type HeldRepos, namesOf } from './held-repos.ts';
import { isForgotten } from './lost-archive.ts';
import { writeSidecar } from './staged-archive.ts';
import type { Staging } from './staging.ts';

export type DropDeps = {
  readonly directory: StagingDirectory;
  readonly repos: HeldRepos;
  readonly datastore: Pick<LocalRepoPort, 'localRepoDrop'> & Pick<ReleasePort, 'repoGetByVersion'>;
  readonly note: Note;
  readonly log: Logger;
};

type Outcome = Awaited<ReturnType<Staging['drop']>>;

export const dropLocalRepo = async (
  deps: DropDeps,
  uploadId: UploadId,
  { planned, signal }: Parameters<Staging['drop']>[1],
): Promise<Outcome> => {
  const { directory, repos, datastore, note } = deps;
  const repo = repos.get(uploadId);
  if (repo === undefined) return { kind: 'dropped' };
  const { sidecar } = directory.filesOf(uploadId);
  const wasDropping = repo.isDropping;
  repo.isDropping = true;
  await writeSidecar(sidecar, { ...repo.archive, dropping: true }, directory);
  const drop = { uploadId, nexusId: directory.nexusId, planned };
  const outcome = await datastore.localRepoDrop(drop, { signal });
  const isLost = // DR3: the next round records it again
    outcome.kind !== 'kept' &&
    ((outcome.kind === 'absent' && !wasDropping) || (await isForgotten(datastore, repo.archive, { signal })));
  if (outcome.kind === 'kept' || isLost) {
    await writeSidecar(sidecar, repo.archive, directory);
    repo.isDropping = false;
    return outcome.kind === 'kept' ? outcome : { kind: 'kept', because: 'row_lost' };
  }
  await finishDrop(deps, repo);
  const { systemVersion } = repo.archive;
  note({ kind: 'local_repo_dropped', systemVersion, generation: planned.generation, uploadId });
  return { kind: 'dropped' };
};

/** DR2. The row is gone: now the files. */
export const finishDrop = async (
  { directory, repos, log }: Pick<DropDeps, 'directory' | 'repos' | 'log'>,
  { archive, file }: HeldRepo,
): Promise<void> => {
  await file.retire();
  await directory.remove(archive.uploadId);
  repos.forget(archive.uploadId);
  log.info(namesOf(archive), 'local repo dropped');
};
