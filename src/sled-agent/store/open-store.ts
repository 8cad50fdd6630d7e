/**
 * Makes the store of a sled over its datasets; `store.ts` says what it promises.
 *
 *     datasets ─▶ locks ─▶ ledgers ─▶ config keeper ─┬▶ deleter (start, config, period)
 *                                                    ├▶ writers
 *                                                    └▶ readers, listing
 */
import { randomUUID } from 'node:crypto';
import type { ArtifactHash, DatasetId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { acquireExclusiveLock, type ExclusiveLock } from '../../lib/exclusive-lock.ts';
import type { Logger } from '../../lib/log.ts';
import { createConfigKeeper, type Joining } from './config-keeper.ts';
import { createDataset, type Dataset } from './dataset.ts';
import { createDeleter } from './deleter.ts';
import { type Disk, realDisk, systemErrorIs } from './disk.ts';
import { listHeld } from './listing.ts';
import { createKeyedLock, createSharedLock } from './locks.ts';
import type { ArtifactStore, ArtifactWriter, InUse, StoredArtifact, StoreSettings } from './store.ts';
import { beginWrite } from './writer.ts';

export type StoreDependencies = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly disk?: Disk;
  /** Makes the ids of datasets and incarnations. */
  readonly newId?: () => string;
  readonly lockDirectory?: (path: string) => Promise<ExclusiveLock>;
  readonly inUse?: InUse;
};

/**
 * Opens the datasets, takes their locks, reads their ledgers and, when these can be trusted, starts a first
 * deletion pass. Datasets that cannot be had are in the listing, and are tried again by each reconcile.
 *
 * @throws `IN_USE_BY_PROCESS` when another process has one of the directories (P12)
 * @throws `DATASET_VERSION` when a later release of tuf-depot wrote one of the ledgers
 */
export const openStore = async (
  settings: StoreSettings,
  { clock, log, disk = realDisk, newId = randomUUID, ...rest }: StoreDependencies,
): Promise<ArtifactStore> => {
  const { lockDirectory = acquireExclusiveLock, inUse = () => undefined } = rest;
  await using opened = new AsyncDisposableStack();
  const datasets = settings.directories.map(path =>
    opened.use(createDataset(path, { disk, clock, log, newId, lockDirectory, settings })),
  );
  const byHash = createKeyedLock();
  const unlinks = createSharedLock();
  const stop = new AbortController();
  const passes = createKeyedLock();
  const keeper = createConfigKeeper({
    datasets,
    unlinks,
    newId,
    log,
    onChange: reason => void passInBackground(reason),
  });
  const deletable = () => (keeper.state().kind === 'ready' ? keeper.config() : undefined);
  const deleter = createDeleter({
    disk,
    datasets,
    config: deletable,
    inUse,
    byHash,
    unlinks,
    clock,
    log,
  });

  const pass = (reason: string, options: { signal: AbortSignal }): Promise<number> =>
    passes('pass', () => deleter.pass(reason, options));
  const passInBackground = (reason: string): Promise<void> =>
    pass(reason, { signal: stop.signal }).then(
      () => undefined,
      error => {
        if (!stop.signal.aborted) log.error({ err: error, reason }, 'deletion pass failed');
      },
    );

  await keeper.join(await inspectAll(datasets, { mayCreate: true }));
  for (const dataset of datasets) logDataset(log, dataset);
  log.info({ state: keeper.state(), generation: keeper.config()?.generation }, 'store opened');

  const writers = new Set<ArtifactWriter>();
  const { maxArtifactBytes } = settings;
  const writing = {
    disk,
    datasets,
    state: keeper.state,
    config: keeper.config,
    byHash,
    maxArtifactBytes,
    open: writers,
    log,
  };
  const owned = opened.move();
  return {
    incarnationId: keeper.incarnationId,
    state: keeper.state,
    config: keeper.config,
    offerConfig: keeper.offer,
    acceptFloor: keeper.acceptFloor,
    async beginWrite(sha256, generation, options) {
      stop.signal.throwIfAborted();
      return beginWrite(writing, sha256, generation, options);
    },
    open: (sha256, options) =>
      openArtifact({ disk, datasets, sizeBytes: keeper.config()?.artifacts.get(sha256) }, sha256, options),
    async list() {
      return {
        incarnationId: keeper.incarnationId(),
        ...(await listHeld(disk, datasets, keeper.config(), settings.quotaBytes)),
        deletionsTotal: deleter.total(),
        deletions: [...deleter.recent()],
        deletionsDeferred: deleter.deferred(),
      };
    },
    async reconcile(reason, { signal }) {
      const absent = datasets.filter(each => !each.isWritable());
      const returned = await inspectReturned(absent);
      if (returned.length > 0) await keeper.join(returned);
      await keeper.repair();
      return pass(reason, { signal: AbortSignal.any([signal, stop.signal]) });
    },
    quarantine: (sha256, datasetId, reason) =>
      byHash(sha256, () => quarantineCopy(datasets, sha256, datasetId, { reason, log })),
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'the store is closing'));
      await Promise.all([...writers].map(writer => writer.abort()));
      await passes('pass', async () => undefined);
      await owned.disposeAsync();
    },
  };
};

const inspectAll = async (
  datasets: readonly Dataset[],
  options: { mayCreate: boolean },
): Promise<Joining[]> => {
  const joining: Joining[] = [];
  for (const dataset of datasets) {
    const inspection = await dataset.inspect(options);
    if (inspection !== undefined) joining.push({ dataset, inspection });
  }
  return joining;
};

/** At the start another owner is fatal; later it is a fault of that dataset. */
const inspectReturned = async (datasets: readonly Dataset[]): Promise<Joining[]> => {
  const joining: Joining[] = [];
  for (const dataset of datasets) {
    try {
      joining.push(...(await inspectAll([dataset], { mayCreate: false })));
    } catch (error) {
      dataset.reportFailure(error, 'take it back');
    }
  }
  return joining;
};

const logDataset = (log: Logger, dataset: Dataset): void => {
  const condition = dataset.condition();
  log.info({ dataset: dataset.path, dataset_id: dataset.id(), ...condition }, 'dataset opened');
};

const openArtifact = async (
  store: { disk: Disk; datasets: readonly Dataset[]; sizeBytes: number | undefined },
  sha256: ArtifactHash,
  { datasetId }: { datasetId?: DatasetId | undefined } = {},
): Promise<StoredArtifact> => {
  for (const dataset of store.datasets) {
    const id = dataset.id();
    if (!dataset.isReadable() || id === undefined || (datasetId !== undefined && id !== datasetId)) continue;
    try {
      const file = await store.disk.openFile(dataset.pathOf(sha256));
      const sizeBytes = await file.sizeBytes();
      if (sizeBytes === (store.sizeBytes ?? sizeBytes))
        return { sha256, sizeBytes, datasetId: id, read: file.read, [Symbol.asyncDispose]: file.close };
      await file.close();
    } catch (error) {
      if (!systemErrorIs(error, 'ENOENT')) dataset.reportFailure(error, `open ${sha256}`);
    }
  }
  throw new DepotError('ARTIFACT_NOT_HELD', `this sled has no whole copy of ${sha256}`, {
    detail: { sha256 },
  });
};

const quarantineCopy = async (
  datasets: readonly Dataset[],
  sha256: ArtifactHash,
  datasetId: DatasetId,
  { reason, log }: { reason: string; log: Logger },
): Promise<boolean> => {
  const dataset = datasets.find(each => each.id() === datasetId && each.isWritable());
  if (dataset === undefined || !(await dataset.setAside(sha256, reason))) return false;
  log.error({ sha256, dataset: dataset.path, dataset_id: datasetId, reason }, 'copy quarantined');
  return true;
};
