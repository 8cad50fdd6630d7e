/** An archive that the database has lost: recorded again, or kept and reported (P4). */
import type { HealthReason } from '../../../core/facts/reason.ts';
import type { RepoId } from '../../../core/ids.ts';
import { findDepotError, isOfDatabase, messageChain } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { ReleasePort } from '../../datastore/ports/release-port.ts';
import type { StagingDirectory } from './directory.ts';
import { type StagedArchive, writeSidecar } from './staged-archive.ts';

/** Verifies and records it; returns its new id. */
export type RecordAgain = (archive: StagedArchive, options: { signal: AbortSignal }) => Promise<RepoId>;

/** Whether the database does not know its release, present or deleted: it was restored to a state before the upload. */
export const isForgotten = async (
  datastore: Pick<ReleasePort, 'repoGetByVersion'>,
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
  /**
   * - `recorded`: `archive` is as it is recorded now.
   * - `refused`: the database, or its present trust roots, refuse it. It is kept.
   * - `delayed`: a transient failure: it is retried.
   */
  readonly kind: 'recorded' | 'refused' | 'delayed';
  readonly archive: StagedArchive;
  /** For the operator. */
  readonly notice: HealthReason;
};

/**
 * Records it and updates its sidecar, or keeps it. An error of an unavailable database is thrown, and the call may be
 * repeated. A failure of one archive does not affect the others (G8).
 */
export const recordLostArchive = async (
  { directory, recordAgain, log }: Deps,
  archive: StagedArchive,
  { signal }: { readonly signal: AbortSignal },
): Promise<LostArchive> => {
  const { uploadId, systemVersion } = archive;
  const { archive: path, sidecar } = directory.filesOf(uploadId);
  const fields = { upload_id: uploadId, system_version: systemVersion };
  const update = (content: StagedArchive): Promise<void> =>
    writeSidecar(sidecar, content, directory).catch((err: unknown) =>
      log.error({ ...fields, err }, 'sidecar not updated'),
    );
  try {
    // It is kept in any case: with a mark of a drop the next start would remove it.
    await update({ ...archive, dropping: false });
    const recorded = { ...archive, repoId: await recordAgain(archive, { signal }) };
    // The release is committed, and an archive with a row has to be served: a failure to update the sidecar changes nothing.
    await update(recorded);
    log.warn(fields, 'the database had lost a local repo: recorded it again');
    return {
      kind: 'recorded',
      archive: recorded,
      notice: { code: 'ARCHIVE_RECORDED_AGAIN', systemVersion, uploadId },
    };
  } catch (error) {
    if (signal.aborted || isOfDatabase(error)) throw error;
    const kind = isVerdict(error) ? 'refused' : 'delayed';
    log.error({ ...fields, err: error }, `local repo lost by the database: to record it again is ${kind}`);
    const because = `record_${kind}` as const;
    const notice = {
      code: 'ARCHIVE_NOT_SERVED' as const,
      because,
      uploadId,
      path,
      error: messageChain(error),
    };
    return { kind, archive, notice };
  }
};

/** Failures that a retry would not change. */
const isVerdict = (error: unknown): boolean => {
  const known = findDepotError(error);
  return known !== undefined && known.retry !== 'backoff';
};
