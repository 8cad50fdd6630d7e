/**
 * The local repos of this Nexus, in memory, as the staging directory and the database have them.
 *
 * LR1. A local repo is held here only after the database recorded it (P1): {@link LocalRepos.hold} comes last.
 * LR2. A drop marks the sidecar, then asks the database, then removes the file (P4). Whatever interrupts it, a
 *      start finds either the row, and takes the archive up again, or the mark, and removes the archive.
 * LR3. A reader keeps the bytes it opened although the upload is dropped meanwhile: the file is unlinked, not
 *      overwritten.
 */
import type { UploadId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Datastore } from '../datastore/datastore.ts';
import type { Note } from '../history/history.ts';
import type { StagingDirectory } from './directory.ts';
import { openStaged } from './opened-artifact.ts';
import { createSharedArchive, type SharedArchive } from './shared-archive.ts';
import { hasParts, type StagedArchive, writeSidecar } from './staged-archive.ts';
import type { LocalRepo, Staging } from './staging.ts';

export type LocalRepos = Pick<Staging, 'held' | 'openArtifact' | 'drop'> & {
  /** `how`: by an upload, or taken up at the start. */
  readonly hold: (archive: StagedArchive, how?: 'uploaded' | 'adopted') => void;
  /** Closes the archives; readers keep theirs open until they are done. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Deps = {
  readonly directory: StagingDirectory;
  readonly datastore: Pick<Datastore, 'localRepoDrop'>;
  readonly note: Note;
  readonly log: Logger;
};

type Held = { readonly archive: StagedArchive; readonly localRepo: LocalRepo; readonly file: SharedArchive };

export const createLocalRepos = ({ directory, datastore, note, log }: Deps): LocalRepos => {
  const repos = new Map<UploadId, Held>();

  return {
    held: () => Array.from(repos.values(), ({ localRepo }) => localRepo),

    hold(archive, how = 'uploaded') {
      const paths = directory.filesOf(archive.uploadId);
      const file = createSharedArchive(
        directory.disk,
        paths.archive,
        hasParts(archive) ? paths.parts : undefined,
      );
      repos.set(archive.uploadId, { archive, localRepo: toLocalRepo(archive), file });
      log.info(nameOf(archive), 'local repo created');
      const message = `upload ${archive.uploadId}, ${how === 'uploaded' ? 'just received' : 'found at the start'}`;
      note({ kind: 'local_repo_held', systemVersion: archive.systemVersion, message });
    },

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
      const { sidecar } = directory.filesOf(uploadId);
      await writeSidecar(sidecar, { ...repo.archive, dropping: true }, directory);
      const drop = { uploadId, nexusId: directory.nexusId, plannedGeneration };
      const outcome = await datastore.localRepoDrop(drop, { signal });
      if (outcome.kind === 'kept') {
        await writeSidecar(sidecar, repo.archive, directory);
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
