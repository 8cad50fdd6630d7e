/** An archive that the database had once and has lost, because it went back: recorded again, or kept and told (P4). */
import type { HealthReason } from '../../core/health.ts';
import type { RepoId } from '../../core/ids.ts';
import { DepotError, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { StagingDirectory } from './directory.ts';
import { type StagedArchive, writeSidecar } from './staged-archive.ts';

/** Verifies and records it; the id under which it is recorded now. */
export type RecordAgain = (archive: StagedArchive, options: { signal: AbortSignal }) => Promise<RepoId>;

type Deps = {
  readonly directory: StagingDirectory;
  readonly recordAgain: RecordAgain;
  readonly log: Logger;
};

/** Records it, and says so in its sidecar. */
export const recordLostArchive = async (
  { directory, recordAgain, log }: Deps,
  archive: StagedArchive,
  { signal }: { readonly signal: AbortSignal },
): Promise<StagedArchive> => {
  const recorded = { ...archive, repoId: await recordAgain(archive, { signal }) };
  await writeSidecar(directory.filesOf(archive.uploadId).sidecar, recorded, directory);
  log.warn({ upload_id: archive.uploadId }, 'the database had lost a local repo: recorded it again');
  return recorded;
};

export const recordedAgain = ({ systemVersion }: StagedArchive): HealthReason => ({
  code: 'ARCHIVE_RECORDED_AGAIN',
  systemVersion,
  message:
    `release ${systemVersion} was recorded once and the database had lost it, so this Nexus recorded its archive again; ` +
    'was a backup restored? Then other releases may be missing. This is said until this Nexus is started again',
});

/** Worth another attempt at the whole, as nothing is wrong with the archive. */
export const isPassing = (error: unknown): boolean =>
  !(error instanceof DepotError) || error.retry === 'backoff';

export const cannotRecordAgain = (path: string, error: unknown): string =>
  `${path} was recorded once, the database has lost it, and it cannot be recorded again (${messageChain(error)}); ` +
  'the archive is kept: mend the cause and start this Nexus again, or upload the file anew and remove it';
