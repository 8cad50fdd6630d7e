/**
 * One dataset: a directory of the store on one disk.
 *
 *     dataset.json            who it is: a UUID that stays with the disk
 *     artifact-config.json    the ledger
 *     lock                    held while a process has it (P12)
 *     quarantine/             copies found bad, as evidence
 *     <sha256>                an artifact
 *     .tmp-…                  a write in flight, or what a crash left of one
 *
 *     inspect(): lock ─▶ identity ─▶ ledger        admit(): ledgers agree; its files may be used from now on
 *
 * DS1. Nothing in a dataset is used or changed before its ledger was read and merged (P5); until then only its
 *      lock and, in an empty directory, its identity are written.
 * DS2. A directory becomes a dataset only while the store opens, and only when it is empty: an empty one found
 *      later is the mount point of an absent disk.
 * DS3. After a failed sync nothing is believed of the dataset until it has been inspected again.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { type ArtifactHash, DatasetId, isArtifactHash } from '../../core/ids.ts';
import { type Clock, isoTime } from '../../lib/clock.ts';
import { TEMPORARY_PREFIX } from '../../lib/durable-file.ts';
import { DepotError, errorCodeOf, messageChain } from '../../lib/errors.ts';
import { type ExclusiveLock, LOCK_FILE } from '../../lib/exclusive-lock.ts';
import type { Logger } from '../../lib/log.ts';
import { type Disk, systemErrorIs } from './disk.ts';
import { LEDGER_FILE, type Ledger, type LedgerRead, readLedger, writeLedger } from './ledger.ts';
import { QUARANTINE_DIRECTORY, setAside } from './quarantine.ts';
import { createSpace, type Space } from './space.ts';
import type { StoreSettings } from './store.ts';
import { readWhole, writeWhole } from './whole-file.ts';

export const IDENTITY_FILE = 'dataset.json';

/** What other programs put into any directory that is the root of a file system. */
const FOREIGN_NAMES = new Set(['lost+found']);
const OWN_NAMES = new Set([IDENTITY_FILE, LEDGER_FILE, LOCK_FILE, QUARANTINE_DIRECTORY]);

const MAX_IDENTITY_BYTES = 4096;
/** How many files are looked at together while a dataset is scanned. */
const SCAN_BATCH = 64;

const Identity = z.object({ version: z.literal(1), dataset_id: DatasetId, time_created: z.string() });

export type Condition =
  | { readonly kind: 'ok' }
  | { readonly kind: 'read_only' | 'missing' | 'failed'; readonly message: string };

export type Inspection = {
  readonly id: DatasetId;
  /** It was made by this inspection. */
  readonly isNew: boolean;
  readonly readOnly: boolean;
  readonly ledger: LedgerRead;
};

export type DatasetFiles = {
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
  /** Names that are not the store's. */
  readonly unknown: readonly string[];
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
  readonly pathOf: (name: string) => string;
  /** Undefined when it cannot be had; {@link condition} then says why. Throws `IN_USE_BY_PROCESS`, `DATASET_VERSION`. */
  readonly inspect: (options: { mayCreate: boolean }) => Promise<Inspection | undefined>;
  readonly admit: (inspection: Inspection) => Promise<void>;
  readonly scan: () => Promise<DatasetFiles>;
  readonly readLedger: () => Promise<LedgerRead>;
  readonly writeLedger: (ledger: Ledger) => Promise<void>;
  /** Sets an artifact or the ledger aside. Returns false when it is not there. */
  readonly setAside: (name: ArtifactHash | typeof LEDGER_FILE, reason: string) => Promise<boolean>;
  /** Takes an error of its disk for what it says about the dataset; one full disk is no fault. */
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
  const pathOf = (name: string) => join(path, name);
  let id: DatasetId | undefined;
  let admitted = false;
  let session = 0;
  let lock: ExclusiveLock | undefined;
  let condition: Condition = { kind: 'missing', message: 'it has not been opened yet' };

  const reportFailure = (error: unknown, during: string): void => {
    const next = conditionAfter(error, during);
    if (next === undefined) return;
    if (next.kind !== 'read_only') admitted = false;
    condition = next;
    log.error({ err: error, dataset: path, dataset_id: id }, `dataset is ${next.kind.replace('_', '-')}`);
  };

  const takeLock = async (): Promise<{ readOnly: boolean }> => {
    await lock?.[Symbol.asyncDispose]();
    lock = undefined;
    try {
      lock = await deps.lockDirectory(path);
      return { readOnly: false };
    } catch (error) {
      // Nobody can write where we cannot, so a read-only dataset needs no lock.
      if (systemErrorIs(error, 'EROFS', 'EACCES', 'EPERM')) return { readOnly: true };
      throw error;
    }
  };

  return {
    path,
    id: () => id,
    condition: () => condition,
    isReadable: () => admitted,
    isWritable: () => admitted && condition.kind === 'ok',
    session: () => session,
    space,
    pathOf,
    async inspect({ mayCreate }) {
      try {
        const { readOnly } = await takeLock();
        const identity = await readOrCreateIdentity(path, { ...deps, mayCreate });
        id = identity.id;
        return { ...identity, readOnly, ledger: await readLedger(disk, path) };
      } catch (error) {
        if (errorCodeOf(error) === 'IN_USE_BY_PROCESS' || errorCodeOf(error) === 'DATASET_VERSION')
          throw error;
        reportFailure(error, 'open it');
        return undefined;
      }
    },
    async admit({ readOnly }) {
      try {
        if (!readOnly) await removeLeftovers(disk, path);
        // A rename that a killed process did not live to sync is visible, but not yet durable.
        if (!readOnly) await disk.syncDirectory(path);
        const { usedBytes } = await scanDirectory(disk, path);
        space.recount(usedBytes);
        condition = readOnly
          ? { kind: 'read_only', message: 'its file system or directory cannot be written' }
          : { kind: 'ok' };
        session += 1;
        admitted = true;
      } catch (error) {
        reportFailure(error, 'prepare it');
      }
    },
    async scan() {
      const { usedBytes, ...files } = await scanDirectory(disk, path);
      space.recount(usedBytes);
      return files;
    },
    readLedger: () => readLedger(disk, path),
    writeLedger: ledger => writeLedger(disk, path, ledger),
    setAside: (name, reason) => setAside(disk, path, name, { reason, timeMs: deps.clock.nowMs() }),
    reportFailure,
    async [Symbol.asyncDispose]() {
      admitted = false;
      await lock?.[Symbol.asyncDispose]();
      lock = undefined;
    },
  };
};

const conditionAfter = (error: unknown, during: string): Condition | undefined => {
  if (systemErrorIs(error, 'ENOSPC', 'EDQUOT') || errorCodeOf(error) === 'NO_SPACE') return undefined;
  const message = `cannot ${during}: ${messageChain(error)}`;
  if (systemErrorIs(error, 'EROFS', 'EACCES', 'EPERM')) return { kind: 'read_only', message };
  if (systemErrorIs(error, 'ENOENT', 'ENOTDIR', 'ENXIO')) return { kind: 'missing', message };
  return { kind: 'failed', message };
};

const readOrCreateIdentity = async (
  path: string,
  { disk, clock, newId, mayCreate }: DatasetDependencies & { mayCreate: boolean },
): Promise<{ id: DatasetId; isNew: boolean }> => {
  const identityPath = join(path, IDENTITY_FILE);
  const text = await readWhole(disk, identityPath, MAX_IDENTITY_BYTES);
  if (text !== undefined) {
    try {
      return { id: Identity.parse(JSON.parse(text)).dataset_id, isNew: false };
    } catch (cause) {
      throw new DepotError('IO', `${identityPath} cannot be understood; restore it, or empty the directory`, {
        cause,
      });
    }
  }
  const others = (await disk.readDirectory(path)).filter(
    name => name !== LOCK_FILE && !name.startsWith(TEMPORARY_PREFIX) && !FOREIGN_NAMES.has(name),
  );
  if (others.length > 0) {
    throw new DepotError(
      'IO',
      `${path} is not a dataset: it has files (such as ${others[0]}) but no ${IDENTITY_FILE}; configure an empty directory`,
    );
  }
  if (!mayCreate) throw diskIsGone(path);
  const id = DatasetId.parse(newId());
  const identity: z.input<typeof Identity> = {
    version: 1,
    dataset_id: id,
    time_created: isoTime(clock.nowMs()),
  };
  await writeWhole(disk, identityPath, `${JSON.stringify(identity)}\n`);
  return { id, isNew: true };
};

/** The directory is there and answers, but it is not the dataset: to be treated like an absent directory. */
const diskIsGone = (path: string): Error =>
  Object.assign(new Error(`${path} has no ${IDENTITY_FILE}: its disk is gone or not mounted`), {
    code: 'ENOENT',
  });

const removeLeftovers = async (disk: Disk, path: string): Promise<void> => {
  for (const name of await disk.readDirectory(path)) {
    if (name.startsWith(TEMPORARY_PREFIX)) await disk.unlink(join(path, name));
  }
};

const scanDirectory = async (disk: Disk, path: string): Promise<DatasetFiles & { usedBytes: number }> => {
  const names = await disk.readDirectory(path);
  if (!names.includes(IDENTITY_FILE)) throw diskIsGone(path);
  const artifacts = new Map<ArtifactHash, number>();
  const unknown: string[] = [];
  let usedBytes = 0;
  for (let start = 0; start < names.length; start += SCAN_BATCH) {
    const batch = names.slice(start, start + SCAN_BATCH).filter(name => !OWN_NAMES.has(name));
    const sizes = await Promise.all(batch.map(name => disk.sizeOf(join(path, name))));
    for (const [index, name] of batch.entries()) {
      const sizeBytes = sizes[index];
      if (isArtifactHash(name) && sizeBytes !== undefined) {
        artifacts.set(name, sizeBytes);
        usedBytes += sizeBytes;
      } else if (!name.startsWith(TEMPORARY_PREFIX) && !FOREIGN_NAMES.has(name)) {
        unknown.push(name);
      }
    }
  }
  return { artifacts, unknown: unknown.sort(), usedBytes: usedBytes + (await quarantinedBytes(disk, path)) };
};

const quarantinedBytes = async (disk: Disk, path: string): Promise<number> => {
  const directory = join(path, QUARANTINE_DIRECTORY);
  const names = await disk.readDirectory(directory).catch((error: unknown) => {
    if (systemErrorIs(error, 'ENOENT')) return [];
    throw error;
  });
  const sizes = await Promise.all(names.map(name => disk.sizeOf(join(directory, name))));
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
};
