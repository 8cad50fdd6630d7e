/**
 * Adoption: how a starting Nexus reconciles its staging directory with its rows in the database (P4):
 *
 *     archives and sidecars ─┐
 *     local repo rows       ─┴─▶ decideAdoption() for each upload ─▶ adopt | remove | record again | forget | keep
 *
 * AD1. An archive whose row exists is adopted, acknowledged or not: nothing that the database lists is lost (B1).
 * AD2. An archive without a row is removed only if it was being dropped, or if it was never recorded nor acknowledged.
 *      Otherwise the database has lost the row: the archive is recorded again or, if that fails, kept and reported.
 */
import type { HealthReason } from '../../../core/facts/reason.ts';
import type { UploadId } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { LocalRepoPort, LocalRepoRecord } from '../../datastore/ports/local-repo-port.ts';
import type { ReleasePort } from '../../datastore/ports/release-port.ts';
import type { StagingDirectory } from './directory.ts';
import { isForgotten, type RecordAgain, recordLostArchive } from './lost-archive.ts';
import { hasParts as listsParts, readSidecar, type StagedArchive, writeSidecar } from './staged-archive.ts';

export type Adoption =
  | { readonly kind: 'take_up' | 'record_again'; readonly archive: StagedArchive }
  | { readonly kind: 'remove' | 'forget_row'; readonly reason: string }
  | { readonly kind: 'keep'; readonly because: Exclude<NotServed['because'], `record_${string}`> };

type NotServed = HealthReason<'ARCHIVE_NOT_SERVED'>;

export type FoundUpload = {
  readonly hasArchive: boolean;
  readonly hasParts: boolean;
  readonly sidecar: StagedArchive | 'absent' | 'unreadable';
  readonly row: Pick<LocalRepoRecord, 'repoId'> | undefined;
  /** Whether the database knows the release of the sidecar, present or deleted; looked up only if needed. */
  readonly isReleaseKnown: boolean;
};

export const decideAdoption = ({
  hasArchive,
  hasParts,
  sidecar,
  row,
  isReleaseKnown,
}: FoundUpload): Adoption => {
  if (!hasArchive && row !== undefined) return { kind: 'forget_row', reason: 'its archive is gone' };
  if (!hasArchive) return { kind: 'remove', reason: 'it is the leftover of an upload without its archive' };
  if (sidecar === 'unreadable') return { kind: 'keep', because: 'sidecar_unreadable' };
  if (sidecar === 'absent')
    return row === undefined
      ? { kind: 'remove', reason: 'it was never recorded' }
      : { kind: 'keep', because: 'sidecar_gone' };
  const isWanted = sidecar.acknowledged && !(sidecar.dropping && isReleaseKnown);
  if (listsParts(sidecar) && !hasParts && (row !== undefined || isWanted))
    return { kind: 'keep', because: 'parts_gone' };
  // Listed by the database it counts as acknowledged: an operator may have seen it.
  if (row !== undefined)
    return {
      kind: 'take_up',
      archive: { ...sidecar, repoId: row.repoId, acknowledged: true, dropping: false },
    };
  if (sidecar.dropping && isReleaseKnown) return { kind: 'remove', reason: 'it was being dropped' };
  if (!sidecar.acknowledged) return { kind: 'remove', reason: 'it was never recorded' };
  return { kind: 'record_again', archive: { ...sidecar, dropping: false } };
};

type Deps = {
  readonly directory: StagingDirectory;
  readonly datastore: Pick<LocalRepoPort, 'localRepoList' | 'localRepoForget'> &
    Pick<ReleasePort, 'repoGetByVersion'>;
  readonly recordAgain: RecordAgain;
  readonly log: Logger;
};

export type AdoptedStaging = {
  /** To be held. */
  readonly adopted: readonly StagedArchive[];
  /** Cannot be recorded again in the present database; that may change (RC3, reconcile.ts). */
  readonly kept: readonly StagedArchive[];
  /** Reasons for the operator: archives that the database had lost, and archives kept but not served. */
  readonly notices: ReadonlyMap<UploadId, HealthReason>;
};

/**
 * Reconciles the directory with the rows of this Nexus. No upload may begin before it has returned. A failure of the
 * database is thrown, and the call may be repeated.
 */
export const adoptStaging = async (
  deps: Deps,
  { signal }: { signal: AbortSignal },
): Promise<AdoptedStaging> => {
  const { directory, datastore, log } = deps;
  const rows = await datastore.localRepoList({ nexusId: directory.nexusId, signal });
  const rowOf = new Map(rows.map(row => [row.uploadId, row]));
  const files = await directory.list();
  const adopted: StagedArchive[] = [];
  const kept: StagedArchive[] = [];
  const notices = new Map<UploadId, HealthReason>();

  for (const uploadId of new Set([...files.keys(), ...rowOf.keys()])) {
    const found = {
      hasArchive: files.get(uploadId)?.archive ?? false,
      hasParts: files.get(uploadId)?.parts ?? false,
    };
    const row = rowOf.get(uploadId);
    const adoption = decideAdoption({ ...found, ...(await look(deps, uploadId, row, { signal })) });
    const { archive: path, sidecar } = directory.filesOf(uploadId);
    switch (adoption.kind) {
      case 'take_up':
        await writeSidecar(sidecar, adoption.archive, directory);
        adopted.push(adoption.archive);
        break;
      case 'record_again': {
        const { kind, archive, notice } = await recordLostArchive(deps, adoption.archive, { signal });
        // Each round retries delayed archives, like those lost while a Nexus runs.
        (kind === 'refused' ? kept : adopted).push(archive);
        notices.set(uploadId, notice);
        break;
      }
      case 'forget_row':
        log.error({ upload_id: uploadId, reason: adoption.reason }, 'local repo lost: its row is removed');
        await datastore.localRepoForget(uploadId, directory.nexusId, { signal });
        await directory.remove(uploadId);
        break;
      case 'remove':
        log.info({ upload_id: uploadId, reason: adoption.reason }, 'leftover of an upload removed');
        await directory.remove(uploadId);
        break;
      case 'keep':
        log.error({ upload_id: uploadId, because: adoption.because }, 'archive is kept but not served');
        notices.set(uploadId, { code: 'ARCHIVE_NOT_SERVED', because: adoption.because, uploadId, path });
        break;
      default:
        adoption satisfies never;
    }
  }
  return { adopted, kept, notices };
};

const look = async (
  { directory, datastore }: Deps,
  uploadId: UploadId,
  row: LocalRepoRecord | undefined,
  { signal }: { readonly signal: AbortSignal },
): Promise<Pick<FoundUpload, 'sidecar' | 'row' | 'isReleaseKnown'>> => {
  try {
    const sidecar = (await readSidecar(directory.filesOf(uploadId).sidecar, directory)) ?? 'absent';
    const isInDoubt = sidecar !== 'absent' && sidecar.dropping && row === undefined;
    const isReleaseKnown = !isInDoubt || !(await isForgotten(datastore, sidecar, { signal }));
    return { sidecar, row, isReleaseKnown };
  } catch (error) {
    if (error instanceof DepotError && error.code === 'STAGING_DAMAGED')
      return { sidecar: 'unreadable', row, isReleaseKnown: true };
    throw error;
  }
};
