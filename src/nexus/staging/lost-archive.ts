/** An archive that the database had once and has lost, because it went back: recorded again, or kept and told (P4). */
import type { HealthReason } from '../../core/health.ts';
import type { RepoId } from '../../core/ids.ts';
import { messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { isOfDatabase } from '../datastore/transaction-errors.ts';
import type { StagingDirectory } from './directory.ts';
import { type StagedArchive, writeSidecar } from './staged-archive.ts';

/** Verifies and records it; the id under which it is recorded now. */
export type RecordAgain = (archive: StagedArchive, options: { signal: AbortSignal }) => Promise<RepoId>;

/** Whether the database knows nothing of its release, not even that it was deleted: it went back to before the upload. */
export const isForgotten = async (
  datastore: Pick<Datastore, 'repoGetByVersion'>,
  { repoId, systemVersion }: StagedArchive,
  { signal }: { readonly signal: AbortSignal },
): Promise<boolean> =>
  (await datastore.repoGetByVersion(systemVersion, { signal, includePruned: true }))?.id !== repoId;

type Deps = {
  readonly directory: StagingDirectory;
  readonly recordAgain: RecordAgain;
  readonly log: Logger;
};

export type LostArchive = {
  /** As it is recorded now, to be held; undefined where it cannot be, and is only kept. */
  readonly recorded: StagedArchive | undefined;
  /** For whoever operates this Nexus. */
  readonly notice: HealthReason;
};

/**
 * Records it and says so in its sidecar, or keeps it. What the database is to blame for is passed on: the whole may be
 * repeated. What the archive or its disk is to blame for costs this archive only (G8).
 */
export const recordLostArchive = async (
  { directory, recordAgain, log }: Deps,
  archive: StagedArchive,
  { signal }: { readonly signal: AbortSignal },
): Promise<LostArchive> => {
  const { uploadId, systemVersion } = archive;
  const { archive: path, sidecar } = directory.filesOf(uploadId);
  const fields = { upload_id: uploadId, system_version: systemVersion };
  try {
    // It is kept, whatever comes of this: a mark of a drop would say otherwise to the next start.
    await writeSidecar(sidecar, { ...archive, dropping: false }, directory);
    const recorded = { ...archive, repoId: await recordAgain(archive, { signal }) };
    // Recorded is recorded, and its row names it to the next start: with a row it has to be served.
    await writeSidecar(sidecar, recorded, directory).catch((err: unknown) =>
      log.error({ ...fields, err }, 'sidecar not updated'),
    );
    log.warn(fields, 'the database had lost a local repo: recorded it again');
    return { recorded, notice: recordedAgain(archive) };
  } catch (error) {
    if (signal.aborted || isOfDatabase(error)) throw error;
    log.error({ ...fields, err: error }, 'local repo lost by the database cannot be recorded again');
    return { recorded: undefined, notice: { code: 'ARCHIVE_NOT_SERVED', message: keptOnly(path, error) } };
  }
};

const recordedAgain = ({ systemVersion }: StagedArchive): HealthReason => ({
  code: 'ARCHIVE_RECORDED_AGAIN',
  systemVersion,
  message:
    `release ${systemVersion} was recorded once and the database had lost it, so this Nexus recorded its archive again; ` +
    'was a backup restored? Then other releases may be missing. This is said until this Nexus is started again',
});

const keptOnly = (path: string, error: unknown): string =>
  `${path} was recorded once, the database has lost it, and it cannot be recorded again (${messageChain(error)}); ` +
  'the archive is kept: mend the cause and start this Nexus again, or upload the file anew and remove it';
