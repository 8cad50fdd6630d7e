/**
 * The archives that this Nexus holds: a registry in memory, with each archive open for its readers.
 *
 * HR1. A local repo is held only after the database recorded it (P1): {@link HeldRepos.hold} comes last.
 * HR2. A reader keeps its open file even if the upload is dropped meanwhile: the file is unlinked, not overwritten.
 */
import type { EventFact } from '../../../core/facts/event.ts';
import type { UploadId } from '../../../core/ids.ts';
import type { LocalRepo } from '../../../core/inventory.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Note } from '../../history/history.ts';
import type { StagingDirectory } from './directory.ts';
import { createSharedArchive, type SharedArchive } from './shared-archive.ts';
import { hasParts, type StagedArchive } from './staged-archive.ts';

export type HeldRepo = {
  readonly archive: StagedArchive;
  readonly localRepo: LocalRepo;
  readonly file: SharedArchive;
  /** A drop has begun and not ended: it may have removed the row. */
  isDropping: boolean;
};

export type HeldRepos = {
  readonly all: () => readonly HeldRepo[];
  readonly get: (uploadId: UploadId) => HeldRepo | undefined;
  /** Also for an upload that is held already: it is opened anew, by `archive`. */
  readonly hold: (archive: StagedArchive, how?: EventFact<'local_repo_held'>['how']) => void;
  /** Does not touch the files: the caller retires the open archive (HR2). */
  readonly forget: (uploadId: UploadId) => void;
  /** Its files stay, but are not served, since the database refused it. */
  readonly keepOnly: (archive: StagedArchive) => void;
  readonly keptOnly: (uploadId: UploadId) => StagedArchive | undefined;
};

type Deps = { readonly directory: StagingDirectory; readonly note: Note; readonly log: Logger };

export const createHeldRepos = ({ directory, note, log }: Deps): HeldRepos => {
  const repos = new Map<UploadId, HeldRepo>();
  const kept = new Map<UploadId, StagedArchive>();
  return {
    all: () => [...repos.values()],
    get: uploadId => repos.get(uploadId),
    hold(archive, how = 'uploaded') {
      const { uploadId, systemVersion } = archive;
      const paths = directory.filesOf(uploadId);
      const parts = hasParts(archive) ? paths.parts : undefined;
      const file = createSharedArchive(directory.disk, paths.archive, parts);
      kept.delete(uploadId);
      repos.set(uploadId, { archive, localRepo: toLocalRepo(archive), file, isDropping: false });
      log.info(namesOf(archive), 'local repo created');
      note({ kind: 'local_repo_held', systemVersion, uploadId, how });
    },
    forget: uploadId => void repos.delete(uploadId),
    keepOnly(archive) {
      repos.delete(archive.uploadId);
      kept.set(archive.uploadId, archive);
    },
    keptOnly: uploadId => kept.get(uploadId),
  };
};

/** The fields that name a local repo in logs. */
export const namesOf = ({ uploadId, repoId, systemVersion }: StagedArchive) => ({
  upload_id: uploadId,
  repo_id: repoId,
  system_version: systemVersion,
});

const toLocalRepo = ({ uploadId, repoId, artifacts }: StagedArchive): LocalRepo => ({
  uploadId,
  repoId,
  artifacts: new Map(Array.from(artifacts, ([sha256, { sizeBytes }]) => [sha256, sizeBytes])),
});
