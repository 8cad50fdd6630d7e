/**
 * The deletion pass: unlinks artifacts that neither the config nor a kept config lists, and that have no lease.
 *
 *     scan ─▶ for each unwanted hash, under its lock and the shared lock: config and leases asked again ─▶ unlink
 *
 * DE1. Config and leases are asked under the same locks as the unlink, so neither can change in between (P2).
 * DE2. Names that are not hashes are never touched.
 * DE3. Every deletion is logged, counted and, for a while, listed (S11).
 */
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import type { ArtifactDeletion } from '../../core/sled-report.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Disk, systemErrorIs } from '../../lib/disk.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { forgetMarks } from './dataset/copy-marks.ts';
import type { Dataset } from './dataset/dataset.ts';
import { createKeyedLock, type KeyedLock, type SharedLock } from './locks.ts';
import { type DeferredDeletion, type InUse, MAX_EVENTS } from './store.ts';

export type Deleter = AsyncDisposable & {
  /** One pass at a time. Returns how many artifacts were deleted. */
  readonly pass: (reason: string, options: { signal: AbortSignal }) => Promise<number>;
  /** For callers that cannot wait: a failure is logged, and the next pass retries. */
  readonly passInBackground: (reason: string) => void;
  readonly total: () => number;
  readonly recent: () => readonly ArtifactDeletion[];
  /** The leased artifacts that the last pass found unwanted, and that still are both. */
  readonly deferred: () => readonly DeferredDeletion[];
};

export type DeleterDependencies = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  /** Undefined while nothing may be deleted: the sled waits for a floor (P5), or holds all deletions (P13). */
  readonly config: () => ArtifactConfig | undefined;
  readonly inUse: InUse;
  readonly byHash: KeyedLock;
  readonly unlinks: SharedLock;
  readonly clock: Clock;
  readonly log: Logger;
};

export const createDeleter = (deps: DeleterDependencies): Deleter => {
  const { disk, datasets, config, byHash, unlinks, clock, log } = deps;
  const passes = createKeyedLock();
  const stop = new AbortController();
  const recent: ArtifactDeletion[] = [];
  let total = 0;
  let deferred = new Set<ArtifactHash>();

  const remove = (sha256: ArtifactHash, holders: readonly Dataset[], cause: string): Promise<boolean> =>
    byHash(sha256, () =>
      unlinks.shared(async () => {
        const current = config();
        if (current === undefined || current.artifacts.has(sha256)) return false;
        if (deps.inUse(sha256) !== undefined) {
          deferred.add(sha256);
          return false;
        }
        const gone = await Promise.all(holders.map(dataset => unlinkCopy(disk, dataset, sha256)));
        const copies = gone.filter(Boolean).length;
        if (copies === 0) return false;
        const { generation } = current;
        const reason = `generation ${generation} does not list it (${cause})`;
        log.info({ sha256, generation, reason, copies }, 'artifact deleted');
        total += 1;
        recent.push({ sha256, generation, reason, timeMs: clock.nowMs() });
        if (recent.length > MAX_EVENTS) recent.shift();
        return true;
      }),
    );

  const pass = async (reason: string, signal: AbortSignal): Promise<number> => {
    deferred = new Set();
    let removed = 0;
    for (const [sha256, holders] of await findUnwanted(datasets, config)) {
      signal.throwIfAborted();
      if (await remove(sha256, holders, reason)) removed += 1;
    }
    if (removed > 0) await Promise.all(datasets.map(dataset => syncNames(disk, dataset)));
    return removed;
  };
  const queue = (reason: string, signal: AbortSignal): Promise<number> =>
    passes('pass', () => pass(reason, signal));

  return {
    pass: (reason, { signal }) => queue(reason, AbortSignal.any([signal, stop.signal])),
    passInBackground(reason) {
      queue(reason, stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted) log.error({ err: error, reason }, 'deletion pass failed');
      });
    },
    total: () => total,
    recent: () => [...recent],
    deferred: () => stillDeferred(deferred, deps).slice(0, MAX_EVENTS),
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'the store is closing'));
      await passes('pass', async () => undefined);
    },
  };
};

const stillDeferred = (
  found: ReadonlySet<ArtifactHash>,
  { config, inUse }: DeleterDependencies,
): DeferredDeletion[] =>
  [...found].flatMap(sha256 => {
    const use = config()?.artifacts.has(sha256) === true ? undefined : inUse(sha256);
    return use === undefined ? [] : [{ sha256, ...use }];
  });

/** Returns whether a copy was deleted. */
const unlinkCopy = async (disk: Disk, dataset: Dataset, sha256: ArtifactHash): Promise<boolean> => {
  if (!dataset.isWritable()) return false;
  try {
    await dataset.requirePresent(); // DS3
  } catch (error) {
    dataset.reportFailure(error, `delete ${sha256}`);
    return false;
  }
  try {
    const path = dataset.pathOf(sha256);
    const sizeBytes = await disk.sizeOf(path);
    await disk.unlink(path);
    forgetMarks(dataset, sha256);
    dataset.space.change(-(sizeBytes ?? 0));
    return true;
  } catch (error) {
    if (!systemErrorIs(error, 'ENOENT')) dataset.reportFailure(error, `delete ${sha256}`);
    return false;
  }
};

const findUnwanted = async (
  datasets: readonly Dataset[],
  config: () => ArtifactConfig | undefined,
): Promise<Map<ArtifactHash, Dataset[]>> => {
  const holders = new Map<ArtifactHash, Dataset[]>();
  for (const dataset of datasets) {
    if (!dataset.isWritable()) continue;
    try {
      const { artifacts } = await dataset.scan();
      const wanted = config()?.artifacts;
      if (wanted === undefined) return new Map();
      for (const sha256 of artifacts.keys()) {
        if (!wanted.has(sha256)) holders.set(sha256, [...(holders.get(sha256) ?? []), dataset]);
      }
    } catch (error) {
      dataset.reportFailure(error, 'read its directory');
    }
  }
  return holders;
};

const syncNames = async (disk: Disk, dataset: Dataset): Promise<void> => {
  if (!dataset.isWritable()) return;
  await disk
    .syncDirectory(dataset.path)
    .catch((error: unknown) => dataset.reportFailure(error, 'make deletions durable'));
};
