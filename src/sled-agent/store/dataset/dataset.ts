/**
 * One dataset: a directory of the store on one disk.
 *
 *     dataset.json            its identity: a UUID that stays with the disk
 *     artifact-config.json    the ledger
 *     kept-config-*.json      configs of other histories, until a recovery has decided on them
 *     release-metadata-*.json what vouches for the releases of the config (T3)
 *     leases.json             leases, if there are any
 *     audit-heads.json        heads of the audit log, if this sled was told any
 *     deletions.json          how long deletions have waited
 *     allow-deletion.json     deletions that a person has allowed, until the agent has taken them over
 *     lock                    held while a process has it (P12)
 *     scrub.json              the progress of the scrub
 *     quarantine/             copies found bad, as evidence
 *     <sha256>                an artifact
 *     .tmp-…                  a write in flight, or the leftover of one after a crash
 *
 *     inspect(): lock ─▶ identity ─▶ ledger        admit(): ledgers agree; its files may be used from now on
 *
 * DS1. Nothing in a dataset is used or changed before its ledger was read and merged (P5); until then only its
 *      lock and, in an empty directory, its identity are written.
 * DS2. A directory becomes a dataset only while the store opens, and only when it is empty: an empty one found
 *      later is the mount point of an absent disk.
 * DS3. Nothing is written into a directory without an identity: that is the mount point of a disk that vanished unnoticed,
 *      and the disk hides the files in it when it returns.
 * DS4. After a failed sync the dataset is not trusted until it has been inspected again.
 * DS5. A disk that was full although its numbers leave space is asked by an empty file whether it is, each time the state is
 *      listed, until it takes one.
 */
import { join } from 'node:path';
import type { ArtifactHash, DatasetId, Point } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import { type Disk, systemErrorIs, unlinkIfThere } from '../../../lib/disk.ts';
import { isFull, isRefusedByDisk } from '../../../lib/disk-errors.ts';
import { removeTemporaryFiles, temporaryPathFor } from '../../../lib/durable-file.ts';
import { errorCodeOf, messageChain } from '../../../lib/errors.ts';
import type { ExclusiveLock } from '../../../lib/exclusive-lock.ts';
import type { Logger } from '../../../lib/log.ts';
import { createSharedRun } from '../../../lib/shared-run.ts';
import { type AuditHeadsRead, readAuditHeads } from '../files/audit-heads-file.ts';
import { type DeletionsRead, readDeletions } from '../files/deletions-file.ts';
import {
  type KeptConfig,
  type KeptConfigs,
  readKeptConfigs,
  removeKeptConfig,
  writeKeptConfigs,
} from '../files/kept-configs.ts';
import { type LeasesRead, readLeases } from '../files/leases-file.ts';
import { type LEDGER_FILE, type Ledger, type LedgerRead, readLedger, writeLedger } from '../files/ledger.ts';
import type { StoreSettings } from '../store.ts';
import { type CopyMarks, createMarks } from './copy-marks.ts';
import { type DatasetFiles, scanDirectory } from './dataset-files.ts';
import { diskWasAway, readOrCreateIdentity, requireIdentity } from './dataset-identity.ts';
import { letOldestGo, quarantinedBytes, setAside } from './quarantine.ts';
import { createSpace, type Space } from './space.ts';

type Condition =
  | { readonly kind: 'ok' }
  | { readonly kind: 'full' | 'read_only' | 'missing' | 'failed'; readonly message: string };

export type Inspection = {
  readonly id: DatasetId;
  /** Why it is read-only; undefined if it can be written. */
  readonly readOnlyBecause: string | undefined;
  readonly ledger: LedgerRead;
  readonly kept: readonly KeptConfig[];
  readonly leases: LeasesRead;
  readonly deletions: DeletionsRead;
  readonly auditHeads: AuditHeadsRead;
};

export type Dataset = AsyncDisposable & {
  readonly path: string;
  readonly id: () => DatasetId | undefined;
  readonly condition: () => Condition;
  /** Admitted, whether it takes writes or not. */
  readonly isReadable: () => boolean;
  readonly isWritable: () => boolean;
  /** Rises with each admission: a write that began before the last one is void. */
  readonly session: () => number;
  readonly space: Space;
  readonly marks: CopyMarks;
  readonly pathOf: (name: string) => string;
  /** DS3: throws ENOENT when the disk is not there. */
  readonly requirePresent: () => Promise<void>;
  /** Makes the names durable that the directory has now; callers at the same time share a sync. */
  readonly syncNames: () => Promise<void>;
  /** Undefined when it is unavailable; {@link condition} then says why. Throws `IN_USE_BY_PROCESS`, `DATASET_VERSION`. */
  readonly inspect: (options: { mayCreate: boolean }) => Promise<Inspection | undefined>;
  readonly admit: (inspection: Inspection) => Promise<void>;
  readonly scan: () => Promise<DatasetFiles>;
  readonly readLedger: () => Promise<LedgerRead>;
  /** The kept configs first (KC2). */
  readonly writeLedger: (ledger: Ledger, kept: KeptConfigs) => Promise<void>;
  readonly writeKept: (kept: KeptConfigs) => Promise<void>;
  readonly removeKept: (point: Point) => Promise<void>;
  /** Quarantines an artifact or the ledger. Returns false when it does not exist. */
  readonly setAside: (name: ArtifactHash | typeof LEDGER_FILE, reason: string) => Promise<boolean>;
  /** Deletes the oldest evidence of bad copies, if that frees enough space for so many bytes; false when it does not. */
  readonly letEvidenceGo: (bytes: number) => Promise<boolean>;
  /**
   * Once the disk was full: whether it refuses another file by now, as it may with bytes left, and inodes that it does not
   * count (DS5).
   */
  readonly fileRefusal: () => Promise<Error | undefined>;
  /** Derives the condition of the dataset from an error of its disk; a full disk is no fault of a dataset that was admitted. */
  readonly reportFailure: (error: unknown, during: string) => void;
};

export type DatasetDependencies = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly lockDirectory: (path: string) => Promise<ExclusiveLock>;
  readonly settings: StoreSettings;
};

export const createDataset = (path: string, deps: DatasetDependencies): Dataset => {
  const { disk, log, settings } = deps;
  const space = createSpace(disk, path, settings);
  const marks = createMarks();
  const refusals = createFileRefusals(disk, path);
  let id: DatasetId | undefined;
  let admitted = false;
  let session = 0;
  let lock: ExclusiveLock | undefined;
  let condition: Condition = { kind: 'missing', message: 'it has not been opened yet' };

  const reportFailure = (error: unknown, during: string): void => {
    refusals.failed(error);
    if (admitted && isFull(error)) return;
    const next = conditionAfter(error, during);
    if (next.kind !== 'read_only') admitted = false;
    condition = next;
    log.error({ err: error, dataset: path, dataset_id: id }, `dataset is ${next.kind.replace('_', '-')}`);
  };

  return {
    path,
    id: () => id,
    condition: () => condition,
    isReadable: () => admitted,
    isWritable: () => admitted && condition.kind === 'ok',
    session: () => session,
    space,
    marks,
    pathOf: name => join(path, name),
    requirePresent: createSharedRun(() => requireIdentity(disk, path, id)),
    syncNames: createSharedRun(() => disk.syncDirectory(path)),
    async inspect({ mayCreate }) {
      try {
        await lock?.[Symbol.asyncDispose]();
        lock = undefined;
        const taken = await lockUnlessReadOnly(deps.lockDirectory, path);
        lock = taken.lock;
        id = await readOrCreateIdentity(path, { ...deps, mayCreate });
        return { id, readOnlyBecause: taken.because, ...(await readKept(disk, path)) };
      } catch (error) {
        if (isForPeople(error)) throw error;
        reportFailure(error, 'open it');
        return undefined;
      }
    },
    async admit({ readOnlyBecause: because }) {
      try {
        space.recount(await prepare(disk, path, because === undefined ? marks : undefined));
        condition = because === undefined ? { kind: 'ok' } : { kind: 'read_only', message: because };
        session += 1;
        admitted = true;
      } catch (error) {
        reportFailure(error, 'prepare it');
      }
    },
    scan: () => scanAndCount(disk, path, space),
    ...configFiles(disk, path, () => id),
    setAside: (name, reason) => moveAside(deps, { path, id }, name, reason),
    letEvidenceGo: bytes => letEvidenceGo({ disk, log, space }, path, bytes),
    reportFailure,
    fileRefusal: async () => (admitted ? refusals.last(id) : undefined),
    async [Symbol.asyncDispose]() {
      admitted = false;
      await lock?.[Symbol.asyncDispose]();
      lock = undefined;
    },
  };
};

const scanAndCount = async (disk: Disk, path: string, space: Space): Promise<DatasetFiles> => {
  const files = await scanDirectory(disk, path);
  space.recount(files.usedBytes);
  return files;
};

/** DS5. */
const createFileRefusals = (disk: Disk, path: string) => {
  let refused = false;
  return {
    failed(error: unknown): void {
      refused ||= isRefusedByDisk(error);
    },
    async last(id: DatasetId | undefined): Promise<Error | undefined> {
      const refusal = refused ? await tryFile(disk, path, id) : undefined;
      refused = refusal !== undefined;
      return refusal;
    },
  };
};

/** Makes an empty file, and removes it. @returns the error of a full disk */
const tryFile = async (disk: Disk, path: string, id: DatasetId | undefined): Promise<Error | undefined> => {
  const probe = temporaryPathFor(join(path, 'probe'));
  try {
    await requireIdentity(disk, path, id);
    await (await disk.createFile(probe)).close();
    await unlinkIfThere(disk, probe);
  } catch (error) {
    if (isRefusedByDisk(error) && error instanceof Error) return error;
  }
  return undefined;
};

/** The ledger and the kept configs beside it; written into the opened dataset, and no other. */
const configFiles = (
  disk: Disk,
  path: string,
  id: () => DatasetId | undefined,
): Pick<Dataset, 'readLedger' | 'writeLedger' | 'writeKept' | 'removeKept'> => ({
  readLedger: () => readLedger(disk, path),
  async writeLedger(ledger, kept) {
    await requireIdentity(disk, path, id());
    await writeKeptConfigs(disk, path, kept);
    await writeLedger(disk, path, ledger);
  },
  async writeKept(kept) {
    await requireIdentity(disk, path, id());
    await writeKeptConfigs(disk, path, kept);
  },
  async removeKept(point) {
    await requireIdentity(disk, path, id());
    await removeKeptConfig(disk, path, point);
  },
});

const moveAside = async (
  { disk, clock }: DatasetDependencies,
  { path, id }: { readonly path: string; readonly id: DatasetId | undefined },
  name: string,
  reason: string,
): Promise<boolean> => {
  await requireIdentity(disk, path, id);
  return setAside(disk, path, name, { reason, timeMs: clock.nowMs() });
};

/** Leftovers of a killed process: unfinished files, and a rename that it did not sync, which is visible but not durable. */
const clearUp = async (disk: Disk, path: string): Promise<void> => {
  await removeTemporaryFiles(path, { disk });
  await disk.syncDirectory(path);
};

/**
 * @param marks of a dataset that can be written. Returns how many bytes are used.
 * @throws ENOENT if the disk was unmounted during cleanup, so that cleanup saw only the mount point
 */
const prepare = async (disk: Disk, path: string, marks: CopyMarks | undefined): Promise<number> => {
  if (marks === undefined) return (await scanDirectory(disk, path)).usedBytes;
  await clearUp(disk, path);
  marks.unsynced.clear();
  const { unfinished, usedBytes } = await scanDirectory(disk, path);
  const [first] = unfinished;
  if (first !== undefined) throw diskWasAway(path, first);
  return usedBytes;
};

const letEvidenceGo = async (
  { disk, log, space }: Pick<DatasetDependencies, 'disk' | 'log'> & { readonly space: Space },
  path: string,
  bytes: number,
): Promise<boolean> => {
  const evidence = await quarantinedBytes(disk, path);
  if (evidence === 0 || (await space.look(bytes - evidence, 1)).refusal !== undefined) return false;
  const gone = await letOldestGo(disk, path);
  if (gone === undefined) return false;
  space.change(-gone);
  log.warn({ dataset: path, size_bytes: gone }, 'evidence of a bad copy removed: its space is needed');
  return true;
};

const readKept = async (disk: Disk, path: string): Promise<Omit<Inspection, 'id' | 'readOnlyBecause'>> => ({
  ledger: await readLedger(disk, path),
  kept: await readKeptConfigs(disk, path),
  leases: await readLeases(disk, path),
  deletions: await readDeletions(disk, path),
  auditHeads: await readAuditHeads(disk, path),
});

/** No process can write to a read-only dataset, so it needs no lock. */
const lockUnlessReadOnly = async (
  lockDirectory: DatasetDependencies['lockDirectory'],
  path: string,
): Promise<{ readonly lock?: ExclusiveLock; readonly because?: string }> => {
  try {
    return { lock: await lockDirectory(path) };
  } catch (error) {
    if (systemErrorIs(error, 'EROFS', 'EACCES', 'EPERM'))
      return { because: `it cannot be written: ${messageChain(error)}` };
    throw error;
  }
};

/** Faults of the start of the sled agent, not of the disk. */
const isForPeople = (error: unknown): boolean =>
  ['IN_USE_BY_PROCESS', 'DATASET_VERSION'].includes(errorCodeOf(error));

const conditionAfter = (error: unknown, during: string): Exclude<Condition, { kind: 'ok' }> => {
  const message = `cannot ${during}: ${messageChain(error)}`;
  if (systemErrorIs(error, 'EROFS', 'EACCES', 'EPERM')) return { kind: 'read_only', message };
  if (systemErrorIs(error, 'ENOENT', 'ENOTDIR', 'ENXIO')) return { kind: 'missing', message };
  if (isFull(error)) return { kind: 'full', message };
  return { kind: 'failed', message };
};
