/**
 * The local repos of this Nexus, in memory, as the staging directory and the database have them.
 *
 * LR1. A local repo is held here only after the database recorded it (P1): {@link LocalRepos.hold} comes last.
 * LR2. A drop marks the sidecar, then asks the database, then removes the file (P4). Whatever interrupts it, a
 *      start finds either the row, and takes the archive up again, or the mark, and removes the archive.
 * LR3. An archive whose row is gone although no drop removed it was lost by the database, which went back: it is
 *      recorded again, or kept and reported, as a start does (P4).
 * LR4. A reader keeps the bytes it opened although the upload is dropped meanwhile: the file is unlinked, not
 *      overwritten.
 */
import type { HealthReason } from '../../core/health.ts';
import type { UploadId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Datastore } from '../datastore/datastore.ts';
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

type DropOutcome = Awaited<ReturnType<Staging['drop']>>;

export type LocalRepos = Pick<Staging, 'held' | 'openArtifact' | 'drop'> & {
  readonly hold: (archive: StagedArchive, how?: HowHeld) => void;
  /** Archives that the database had lost while this process ran (LR3). */
  readonly notices: () => readonly HealthReason[];
  /** Closes the archives; readers keep theirs open until they are done. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Deps = {
  readonly directory: StagingDirectory;
  readonly datastore: Pick<Datastore, 'localRepoDrop' | 'localRepoList'>;
  readonly recordAgain: RecordAgain;
  readonly note: Note;
  readonly log: Logger;
};

type Held = {
  readonly archive: StagedArchive;
  readonly localRepo: LocalRepo;
  readonly file: SharedArchive;
  /** A drop was begun and its outcome is not known: its row may be gone by it. */
  mayBeDropped: boolean;
  /** Why it cannot be recorded again; the next start tries once more. */
  unrecordable: string | undefined;
};

type Wait = { readonly signal: AbortSignal };

export const createLocalRepos = (deps: Deps): LocalRepos => {
  const { directory, datastore, note, log } = deps;
  const repos = new Map<UploadId, Held>();
  const notices: HealthReason[] = [];

  const hasRow = async (uploadId: UploadId, { signal }: Wait): Promise<boolean> => {
    const rows = await datastore.localRepoList({ nexusId: directory.nexusId, signal });
    return rows.some(row => row.uploadId === uploadId);
  };

  /** LR3. */
  const recordAgain = async (repo: Held, wait: Wait): Promise<DropOutcome> => {
    repo.unrecordable ??= await recordLost(deps, repo.archive, { ...wait, hold, notices });
    const reason = repo.unrecordable ?? 'the database had lost it, and it is recorded again';
    return { kind: 'kept', reason };
  };

  const hold: LocalRepos['hold'] = (archive, how = 'uploaded') => {
    const paths = directory.filesOf(archive.uploadId);
    const file = createSharedArchive(
      directory.disk,
      paths.archive,
      hasParts(archive) ? paths.parts : undefined,
    );
    const localRepo = toLocalRepo(archive);
    repos.set(archive.uploadId, { archive, localRepo, file, mayBeDropped: false, unrecordable: undefined });
    log.info(nameOf(archive), 'local repo created');
    const message = `upload ${archive.uploadId}, ${HOW_HELD[how]}`;
    note({ kind: 'local_repo_held', systemVersion: archive.systemVersion, message });
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

    async drop(uploadId, { plannedGeneration, signal }) {
      const repo = repos.get(uploadId);
      if (repo === undefined) return { kind: 'dropped' };
      if (!repo.mayBeDropped && !(await hasRow(uploadId, { signal }))) return recordAgain(repo, { signal });
      const { sidecar } = directory.filesOf(uploadId);
      repo.mayBeDropped = true;
      await writeSidecar(sidecar, { ...repo.archive, dropping: true }, directory);
      const drop = { uploadId, nexusId: directory.nexusId, plannedGeneration };
      const outcome = await datastore.localRepoDrop(drop, { signal });
      if (outcome.kind === 'kept') {
        await writeSidecar(sidecar, repo.archive, directory);
        repo.mayBeDropped = false;
        return outcome;
      }
      repos.delete(uploadId);
      await repo.file.retire();
      await directory.remove(uploadId);
      log.info(nameOf(repo.archive), 'local repo dropped');
      const { systemVersion } = repo.archive;
      const message = `upload ${uploadId}: enough sleds hold all of it, or the release is deleted`;
      note({ kind: 'local_repo_dropped', systemVersion, generation: plannedGeneration, message });
      return { kind: 'dropped' };
    },

    async [Symbol.asyncDispose]() {
      await Promise.all(repos.values().map(({ file }) => file.retire()));
    },
  };
};

/** What is in the way, if it cannot be recorded; a database that does not answer is no obstacle but an error. */
const recordLost = async (
  { directory, recordAgain, log }: Deps,
  archive: StagedArchive,
  context: Wait & { readonly hold: LocalRepos['hold']; readonly notices: HealthReason[] },
): Promise<string | undefined> => {
  try {
    context.hold(
      await recordLostArchive({ directory, recordAgain, log }, archive, context),
      'recorded_again',
    );
    context.notices.push(recordedAgain(archive));
    return undefined;
  } catch (error) {
    if (context.signal.aborted || isPassing(error)) throw error;
    const message = cannotRecordAgain(directory.filesOf(archive.uploadId).archive, error);
    log.error({ ...nameOf(archive), err: error }, 'local repo lost by the database cannot be recorded again');
    context.notices.push({ code: 'ARCHIVE_NOT_SERVED', message });
    return message;
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
