/**
 * Opens the store of a sled over its datasets; `store.ts` has its guarantees.
 *
 *     datasets ─▶ locks ─▶ leases, ledgers ─▶ config keeper ─┬▶ deleter (start, config, period, end of a lease or a wait)
 *                                                            ├▶ writers
 *                                                            ├▶ scrub ─▶ examiner ◀─ failed reads
 *                                                            └▶ readers, listing
 */
import { randomUUID } from 'node:crypto';
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Disk } from '../../lib/disk.ts';
import { acquireExclusiveLock, type ExclusiveLock } from '../../lib/exclusive-lock.ts';
import type { Logger } from '../../lib/log.ts';
import { realDisk } from '../../lib/real-disk.ts';
import { type AuditHeads, createAuditHeads } from './audit-heads.ts';
import { type ConfigKeeper, createConfigKeeper, type Joining } from './config/config-keeper.ts';
import { holdsArtifact, openArtifact } from './dataset/copies.ts';
import { createDataset, type Dataset } from './dataset/dataset.ts';
import { createDeleter } from './deleter.ts';
import { createDeletionBook, type DeletionBook } from './deletion/deletion-book.ts';
import { createLeases, type Leases } from './leases/leases.ts';
import { listStore } from './listing.ts';
import { createKeyedLock, createSharedLock } from './locks.ts';
import { createReleaseBundles } from './release-bundles.ts';
import type { ReleaseBundles, ReleaseTrust } from './release-trust.ts';
import { createExaminer, type Examiner } from './scrub/examiner.ts';
import { createScrubber } from './scrub/scrub.ts';
import { type ArtifactStore, type Decisions, NO_DECISIONS, type StoreSettings } from './store.ts';
import { createReceiving } from './write/receiving.ts';

export type StoreDependencies = {
  readonly clock: Clock;
  /** For the order in which the scrub reads files. */
  readonly rng: Rng;
  readonly log: Logger;
  readonly disk?: Disk;
  /** By default there are none, and a Nexus decides alone. */
  readonly decisions?: Decisions;
  /** Generates the ids of datasets and incarnations. */
  readonly newId?: () => string;
  readonly lockDirectory?: (path: string) => Promise<ExclusiveLock>;
  /** What this sled has pinned; undefined without an identity. */
  readonly trust?: ReleaseTrust | undefined;
  /** Of the metadata of all releases together; by default `MAX_BUNDLES_BYTES`. */
  readonly maxBundlesBytes?: number | undefined;
};

/**
 * Opens the datasets, takes their locks, reads their ledgers and, when these can be trusted, starts a first
 * deletion pass. Unavailable datasets are in the listing, and each reconcile retries them.
 *
 * @throws `IN_USE_BY_PROCESS` when another process has one of the directories (P12)
 * @throws `DATASET_VERSION` when a later version of tuf-depot wrote one of the ledgers
 */
export const openStore = async (
  settings: StoreSettings,
  {
    clock,
    rng,
    log,
    disk = realDisk,
    newId = randomUUID,
    decisions = NO_DECISIONS,
    ...rest
  }: StoreDependencies,
): Promise<ArtifactStore> => {
  const { lockDirectory = acquireExclusiveLock } = rest;
  await using opened = new AsyncDisposableStack();
  const datasets = settings.directories.map(path =>
    opened.use(createDataset(path, { disk, clock, log, newId, lockDirectory, settings })),
  );
  const byHash = createKeyedLock();
  const unlinks = createSharedLock();
  const passSoon = (reason: string): void => deleter.passInBackground(reason);
  const keeper = createConfigKeeper({
    ...{ datasets, unlinks, newId, clock, log, decisions },
    takeBack: listed => book.takeBack(listed),
    onHold: () => book.run(false),
    onChange: reason => {
      bundles.settle();
      receiving.settle();
      passSoon(reason);
    },
  });
  const { state, config, releases } = keeper;
  const shared = { disk, datasets, byHash, clock, log };
  const { trust, maxBundlesBytes } = rest;
  const bundles = opened.use(createReleaseBundles({ ...shared, trust, maxBundlesBytes, releases }));
  const { withheld } = bundles;
  const isHeld = (sha256: ArtifactHash) => holdsArtifact({ ...shared, config: config(), withheld }, sha256);
  const leases = opened.use(createLeases({ ...shared, isHeld, onEnd: passSoon }));
  const inUse = (sha256: ArtifactHash) => leases.inUse(sha256) ?? keeper.keeps(sha256);
  const examiner = opened.use(createExaminer(shared));
  const scrubber = createScrubber({ ...shared, examiner, rng, settings });
  const book = opened.use(createDeletionBook({ ...shared, rules: settings.deletion, onDue: passSoon }));
  const deleter = opened.use(
    createDeleter({ ...shared, config: () => decisive(keeper), inUse, book, unlinks, decisions }),
  );
  const { maxArtifactBytes } = settings;
  const { makeRoom } = deleter;
  const receiving = opened.use(
    createReceiving({ ...shared, state, config, withheld, sha512: bundles, makeRoom, maxArtifactBytes }),
  );

  const kept: Kept = { keeper, leases, heads: createAuditHeads(shared), book, examiner, bundles };
  await takeIn(kept, await inspectAll(datasets, { mayCreate: true }));
  logOpened(log, datasets, keeper);

  const revisits = createKeyedLock();
  const owned = opened.move();
  const { incarnationId, offer, acceptFloor, claims, configAt } = keeper;
  const { quarantine, suspect, onCondemned } = examiner;
  const { beginWrite, tellPrefixes, openArriving } = receiving;
  return {
    ...{ incarnationId, state, config, offerConfig: offer, acceptFloor, claims, configAt },
    ...{ beginWrite, tellPrefixes, openArriving },
    open: (sha256, options) =>
      openArtifact({ ...shared, ...examiner, config: config(), withheld }, sha256, options),
    list: () => listStore({ ...shared, settings, keeper, deleter, book, inUse, leases, scrubber, bundles }),
    async reconcile(reason, options) {
      await revisits('datasets', () => revisit(datasets, kept));
      return deleter.pass(reason, options);
    },
    takeLease: leases.take,
    returnLease: leases.giveBack,
    leases: leases.of,
    auditHeads: kept.heads,
    putBundle: bundles.put,
    ...{ quarantine, suspect, onCondemned },
    scrub: scrubber,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** The config that decides what is deleted; undefined while nothing may be. */
const decisive = ({ state, config, lineage }: ConfigKeeper): ArtifactConfig | undefined =>
  state().kind === 'ready' && lineage().hold === undefined ? config() : undefined;

/** Detects missing datasets, admits returned ones, and repairs ledgers. */
const revisit = async (datasets: readonly Dataset[], kept: Kept): Promise<void> => {
  for (const dataset of datasets) {
    // Before the repair: a ledger must not be written into the mount point of an absent disk.
    if (dataset.isReadable()) await dataset.scan().catch(error => dataset.reportFailure(error, 'examine it'));
  }
  const returned = await inspectReturned(datasets.filter(each => !each.isWritable()));
  if (returned.length > 0) await takeIn(kept, returned);
  await kept.keeper.repair();
  await kept.leases.repair();
  await kept.heads.repair();
  await kept.bundles.repair(kept.keeper.state().kind === 'ready');
};

type Kept = {
  readonly keeper: ConfigKeeper;
  readonly leases: Leases;
  readonly heads: AuditHeads;
  readonly book: DeletionBook;
  readonly examiner: Pick<Examiner, 'reconsider'>;
  readonly bundles: ReleaseBundles;
};

/** Leases and waits first: once the ledgers agree a deletion pass may begin (LE4). */
const takeIn = async (
  { keeper, leases, heads, book, examiner, bundles }: Kept,
  joining: readonly Joining[],
): Promise<void> => {
  leases.learn(joining);
  heads.learn(joining);
  book.learn(joining);
  await keeper.join(joining);
  if (keeper.state().kind !== 'ready') book.forget(); // DK3
  book.run(decisive(keeper) !== undefined);
  await leases.repair();
  await heads.repair();
  await bundles.load(); // RLB2
  await bundles.repair(false);
  for (const { dataset } of joining) examiner.reconsider(dataset);
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
      dataset.reportFailure(error, 'admit it again');
    }
  }
  return joining;
};

const logOpened = (log: Logger, datasets: readonly Dataset[], { state, config }: ConfigKeeper): void => {
  for (const dataset of datasets) {
    const condition = dataset.condition();
    log.info({ dataset: dataset.path, dataset_id: dataset.id(), ...condition }, 'dataset opened');
  }
  log.info({ state: state(), generation: config()?.generation }, 'store opened');
};
