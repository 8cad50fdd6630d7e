/** Makes the store of a sled over its datasets; `store.ts` says what it promises. */
import type { Clock } from '../../lib/clock.ts';
import { acquireExclusiveLock, type ExclusiveLock } from '../../lib/exclusive-lock.ts';
import type { Logger } from '../../lib/log.ts';
import { type Disk, realDisk } from './disk.ts';
import type { ArtifactStore, InUse, StoreSettings } from './store.ts';

export type StoreDependencies = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly disk?: Disk;
  /** Makes the ids of datasets, incarnations and temporary files. */
  readonly newId?: () => string;
  readonly lockDirectory?: (path: string) => Promise<ExclusiveLock>;
  readonly inUse?: InUse;
};

/**
 * Opens the datasets, takes their locks, reads their ledgers and, when these can be trusted, starts a first
 * deletion pass.
 *
 * @throws `IN_USE_BY_PROCESS` when another process has one of the directories (P12)
 */
export const openStore = async (
  _settings: StoreSettings,
  { disk: _disk = realDisk, lockDirectory: _lockDirectory = acquireExclusiveLock }: StoreDependencies,
): Promise<ArtifactStore> => {
  throw new Error('not there yet');
};
