/**
 * The local repos of this Nexus, in memory, as the staging directory and the database have them.
 *
 * LR1. A local repo is held here only after the database recorded it (P1): {@link LocalRepos.hold} comes last.
 * LR2. A drop marks the sidecar, then asks the database, then removes the file (P4). Whatever interrupts it, a
 *      start finds either the row, and takes the archive up again, or the mark, and removes the archive.
 * LR3. While this process runs the database may go back, as it may between two starts: an archive whose row is gone
 *      although no drop removed it is recorded again, or kept and reported; a row whose archive is gone is removed.
 * LR4. A drop ends with the files gone; until then it is in the way of nothing, and is gone on with.
 * LR5. A reader keeps the bytes it opened although the upload is dropped meanwhile: the file is unlinked, not
 *      overwritten.
 */
import type { HealthReason } from '../../core/health.ts';
import type { UploadId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import type { Logger } from '../../lib/log.ts';
import type { Datastore, LocalRepoRecord } from '../datastore/datastore.ts';
import type { Note } from '../history/history.ts';
import type { StagingDirectory } from './directory.ts';
import {
  cannotRecordAgain,
  isPassing,
  type RecordAgain,
  recordedAgain,
  recordLostArchive,
} from './lost-archive.ts';
import { openStaged } from './opened-artifact.ts';
import { createSharedArchive, type SharedArchive } from './shared-archive.ts';
import { hasParts, type StagedArchive, writeSidecar } from './staged-archive.ts';
import type { LocalRepo, Staging } from './staging.ts';

/** By an upload, taken up at the start, or recorded again after the database had lost it. */
type HowHeld = keyof typeof HOW_HELD;
const HOW_HELD = {
  uploaded: 'just received',
  adopted: 'found at the start',
  recorded_again: 'recorded again, as the database had lost it',
} as const;

export type LocalRepos = Pick<Staging, 'held' | 'reconcile' | 'openArtifact' | 'drop'> & {
  readonly hold: (archive: StagedArchive, how?: HowHeld) => void;
  /** Archives that the database had lost while this process ran (LR3). */
  readonly notices: () => readonly HealthReason[];
  /** Closes the archives; readers keep theirs open until they are done. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Deps = {
  readonly directory: StagingDirectory;
  readonly datastore: Pick<Datastore, 'localRepoDrop' | 'localRepoForget' | 'localRepoList'>;
  readonly recordAgain: RecordAgain;
  readonly note: Note;
  readonly log: Logger;
};

type Held = {
  readonly archive: StagedArchive;
  readonly localRepo: LocalRepo;
  readonly file: SharedArchive;
  /** A drop was begun and is not over: its row may be gone by it. */
  isDropping: boolean;
};

type Wait = { readonly signal: AbortSignal };

export const createLocalRepos = (deps: Deps): LocalRepos => {
  const { directory, datastore, note, log } = deps;
  const repos = new Map<UploadId, Held>();
  const notices: HealthReason[] = [];
  // A drop and a look at the rows would each take the other's half-done work for a fault.
  const turns = createLimiter(1);

  /** LR3. What cannot be recorded is kept for a person to look at, and is not held any more; the next start tries again. */
  const recordAgain = async ({ archive, file }: Held, wait: Wait): Promise<void> => {
    if (await recordLost(deps, archive, { ...wait, hold, notices })) return;
    repos.delete(archive.uploadId);
    await file.retire();
  };

  const remove = async ({ archive, file }: Held): Promise<void> => {
    await file.retire();
    await directory.remove(archive.uploadId);
    repos.delete(archive.uploadId);
    log.info(nameOf(archive), 'local repo dropped');
  };

  const hold: LocalRepos['hold'] = (archive, how = 'uploaded') => {
    const paths = directory.filesOf(archive.uploadId);
    const file = createSharedArchive(
      directory.disk,
      paths.archive,
      hasParts(archive) ? paths.parts : undefined,
    );
    const localRepo = toLocalRepo(archive);
    repos.set(archive.uploadId, { archive, localRepo, file, isDropping: false });
    log.info(nameOf(archive), 'local repo created');
    const message = `upload ${archive.uploadId}, ${HOW_HELD[how]}`;
    note({ kind: 'local_repo_held', systemVersion: archive.systemVersion, message });
  };

  const drop: LocalRepos['drop'] = async (uploadId, { plannedGeneration, signal }) => {
    const repo = repos.get(uploadId);
    if (repo === undefined) return { kind: 'dropped' };
    const { sidecar } = directory.filesOf(uploadId);
    const wasDropping = repo.isDropping;
    repo.isDropping = true;
    await writeSidecar(sidecar, { ...repo.archive, dropping: true }, directory);
    const drop = { uploadId, nexusId: directory.nexusId, plannedGeneration };
    const outcome = await datastore.localRepoDrop(drop, { signal });
    // The row went with the database, not by a drop: the next look records it again.
    const isLost = outcome.kind === 'absent' && !wasDropping;
    if (outcome.kind === 'kept' || isLost) {
      await writeSidecar(sidecar, repo.archive, directory);
      repo.isDropping = false;
      return outcome.kind === 'kept' ? outcome : { kind: 'kept', reason: 'the database has lost its row' };
    }
    await remove(repo);
    const { systemVersion } = repo.archive;
    const message = `upload ${uploadId}: enough sleds hold all of it, or the release is deleted`;
    note({ kind: 'local_repo_dropped', systemVersion, generation: plannedGeneration, message });
    return { kind: 'dropped' };
  };

  const reconcile: LocalRepos['reconcile'] = async ({ signal }) => {
    const before = [...repos.values()]; // ahead of the rows: an upload that is recorded meanwhile is not lost
    const rows = await datastore.localRepoList({ nexusId: directory.nexusId, signal });
    const listed = new Set(rows.map(row => row.uploadId));
    for (const repo of before) {
      if (listed.has(repo.archive.uploadId)) continue;
      if (repo.isDropping) await remove(repo);
      else await recordAgain(repo, { signal });
    }
    await forgetRows(
      deps,
      rows.filter(({ uploadId }) => !repos.has(uploadId)),
      signal,
    );
  };

  return {
    held: () => Array.from(repos.values(), ({ localRepo }) => localRepo),
    hold,
    notices: () => notices,

    async openArtifact(uploadId, sha256) {
      const repo = repos.get(uploadId);
      const artifact = repo?.archive.artifacts.get(sha256);
      if (repo === undefined || artifact === undefined)
        throw new DepotError(
          'NOT_FOUND',
          `the local repo ${uploadId} was dropped, or does not list ${sha256}`,
        );
      return openStaged(repo.file, artifact);
    },

    drop: (uploadId, options) => turns.run(() => drop(uploadId, options), options),
    reconcile: options => turns.run(() => reconcile(options), options),

    async [Symbol.asyncDispose]() {
      await Promise.all(repos.values().map(({ file }) => file.retire()));
    },
  };
};

/** Rows of archives that are not there: they were dropped, and the database went back to before that. */
const forgetRows = async (
  { directory, datastore, log }: Deps,
  rows: readonly LocalRepoRecord[],
  signal: AbortSignal,
): Promise<void> => {
  if (rows.length === 0) return;
  const files = await directory.list(); // after the rows: an archive is there before its row, and after it
  for (const { uploadId } of rows) {
    if (files.get(uploadId)?.archive === true) continue;
    log.error({ upload_id: uploadId }, 'local repo listed without an archive: its row is removed');
    await datastore.localRepoForget(uploadId, directory.nexusId, { signal });
  }
};

/** False when it cannot be recorded, which is told; a database that does not answer is an error. */
const recordLost = async (
  { directory, recordAgain, log }: Deps,
  archive: StagedArchive,
  context: Wait & { readonly hold: LocalRepos['hold']; readonly notices: HealthReason[] },
): Promise<boolean> => {
  try {
    context.hold(
      await recordLostArchive({ directory, recordAgain, log }, archive, context),
      'recorded_again',
    );
    context.notices.push(recordedAgain(archive));
    return true;
  } catch (error) {
    if (context.signal.aborted || isPassing(error)) throw error;
    const message = cannotRecordAgain(directory.filesOf(archive.uploadId).archive, error);
    log.error({ ...nameOf(archive), err: error }, 'local repo lost by the database cannot be recorded again');
    context.notices.push({ code: 'ARCHIVE_NOT_SERVED', message });
    return false;
  }
};

const nameOf = ({ uploadId, repoId, systemVersion }: StagedArchive) => ({
  upload_id: uploadId,
  repo_id: repoId,
  system_version: systemVersion,
});

const toLocalRepo = ({ uploadId, repoId, artifacts }: StagedArchive): LocalRepo => ({
  uploadId,
  repoId,
  artifacts: new Map(Array.from(artifacts, ([sha256, { sizeBytes }]) => [sha256, sizeBytes])),
});
