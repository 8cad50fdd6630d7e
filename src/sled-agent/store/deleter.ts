/**
 * The deletion pass: unlinks artifacts that neither the config nor a kept config lists, that have no lease, and that have
 * waited (T4).
 *
 *     scan ─▶ which may be deleted? ─▶ which are due? ─▶ for each, under its lock and the shared lock: config and leases
 *                                       (deletion book)                                   asked again ─▶ unlink
 *     a write without space ─▶ those that have waited for half of their time, until there is space
 *
 * DE1. Config and leases are asked under the same locks as the unlink, so neither can change in between (P2).
 * DE2. Names that are not hashes are never touched.
 * DE3. Every deletion is logged, counted and, for a while, listed (S11).
 * DE4. The wait of an artifact begins when nothing but time keeps it: no lease, no kept config.
 * DE5. What a person allows by a statement is all that is pending at exactly the point of the config that found it.
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
import { quarantinedBytes } from './dataset/quarantine.ts';
import type { DeletionBook } from './deletion/deletion-book.ts';
import { createKeyedLock, type KeyedLock, type SharedLock } from './locks.ts';
import { pointOf } from './point.ts';
import { type Decisions, type DeferredDeletion, type InUse, MAX_EVENTS } from './store.ts';
import type { MakeRoom } from './write/lanes.ts';

export type Deleter = AsyncDisposable & {
  /** One pass at a time. Returns how many artifacts were deleted. */
  readonly pass: (reason: string, options: { signal: AbortSignal }) => Promise<number>;
  /** For callers that cannot wait: a failure is logged, and the next pass retries. */
  readonly passInBackground: (reason: string) => void;
  /** For a wanted artifact. */
  readonly makeRoom: MakeRoom;
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
  readonly book: DeletionBook;
  readonly decisions: Pick<Decisions, 'allowDeletionAt'>;
  readonly byHash: KeyedLock;
  readonly unlinks: SharedLock;
  readonly clock: Clock;
  readonly log: Logger;
};

/** The mutable state. */
type Deleting = DeleterDependencies & {
  readonly recent: ArtifactDeletion[];
  readonly stop: AbortSignal;
  total: number;
  deferred: Set<ArtifactHash>;
};

export const createDeleter = (deps: DeleterDependencies): Deleter => {
  const passes = createKeyedLock();
  const stop = new AbortController();
  const deleting: Deleting = { ...deps, recent: [], stop: stop.signal, total: 0, deferred: new Set() };
  const queue = (reason: string, signal: AbortSignal): Promise<number> =>
    passes('pass', () => pass(deleting, reason, signal));
  return {
    pass: (reason, { signal }) => queue(reason, AbortSignal.any([signal, stop.signal])),
    passInBackground(reason) {
      queue(reason, stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted) deps.log.error({ err: error, reason }, 'deletion pass failed');
      });
    },
    makeRoom: (dataset, bytes) => passes('pass', () => makeRoom(deleting, dataset, bytes)),
    total: () => deleting.total,
    recent: () => [...deleting.recent],
    deferred: () => stillDeferred(deleting).slice(0, MAX_EVENTS),
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'the store is closing'));
      await passes('pass', async () => undefined);
    },
  };
};

const pass = async (deleting: Deleting, reason: string, signal: AbortSignal): Promise<number> => {
  const { book } = deleting;
  await book.takeAllowances();
  const found = await findDeletable(deleting);
  if (found === undefined) return 0;
  const due = book.judge().filter(({ remainingMs, sha256 }) => remainingMs === 0 && found.has(sha256));
  const hashes = due.map(({ sha256 }) => sha256);
  await book.count(new Set(hashes));
  return removeWhile(deleting, found, { hashes, reason }, async () => {
    signal.throwIfAborted();
    return true;
  });
};

/** WT4 */
const makeRoom = async (deleting: Deleting, dataset: Dataset, bytes: number): Promise<boolean> => {
  const { disk, book, stop } = deleting;
  const hasRoomFor = async (more: number, removedFiles = 0) =>
    (await dataset.space.look(more, removedFiles)).refusal === undefined;
  // Made by the pass before, or for another dataset.
  if (await hasRoomFor(bytes)) return true;
  const found = await findDeletable(deleting);
  if (found === undefined || stop.aborted) return false;
  const early = book
    .judge()
    .filter(({ isEvictable, sha256 }) => isEvictable && found.get(sha256)?.includes(dataset) === true);
  // Evidence of bad copies goes as well, after these.
  const evidenceBytes = await quarantinedBytes(disk, dataset.path);
  const mostBytes = early.reduce((sum, { sizeBytes }) => sum + sizeBytes, evidenceBytes);
  if (early.length === 0 || !(await hasRoomFor(bytes - mostBytes, early.length))) return false;
  const hashes = early.map(({ sha256 }) => sha256);
  const removed = await removeWhile(
    deleting,
    found,
    { hashes, reason: 'its space is needed' },
    async sha256 => {
      if (await hasRoomFor(bytes - evidenceBytes, evidenceBytes > 0 ? 1 : 0)) return false;
      await book.count(new Set([sha256]));
      return true;
    },
  );
  return removed > 0;
};

/** Returns how many were removed. */
const removeWhile = async (
  deleting: Deleting,
  found: Deletable,
  { hashes, reason }: { readonly hashes: readonly ArtifactHash[]; readonly reason: string },
  mayGo: (sha256: ArtifactHash) => Promise<boolean>,
): Promise<number> => {
  const { datasets, book, stop } = deleting;
  const removed = new Set<ArtifactHash>();
  try {
    for (const sha256 of hashes) {
      stop.throwIfAborted();
      if (!(await mayGo(sha256))) break;
      const holders = found.get(sha256) ?? [];
      if (await removeArtifact(deleting, sha256, holders, reason)) removed.add(sha256);
    }
  } finally {
    book.gone(removed);
  }
  if (removed.size > 0) await Promise.all(datasets.map(syncNames));
  return removed.size;
};

const removeArtifact = (
  deleting: Deleting,
  sha256: ArtifactHash,
  holders: readonly Dataset[],
  cause: string,
): Promise<boolean> =>
  deleting.byHash(sha256, () =>
    deleting.unlinks.shared(async () => {
      const { disk, recent, clock, log } = deleting;
      const current = deleting.config();
      if (current === undefined || current.artifacts.has(sha256)) return false;
      if (isInUse(deleting, sha256)) return false;
      const gone = await Promise.all(holders.map(dataset => unlinkCopy(disk, dataset, sha256)));
      const copies = gone.filter(Boolean).length;
      if (copies === 0) return false;
      const { generation } = current;
      const reason = `generation ${generation} does not list it (${cause})`;
      log.info({ sha256, generation, reason, copies }, 'artifact deleted');
      deleting.total += 1;
      recent.push({ sha256, generation, reason, timeMs: clock.nowMs() });
      if (recent.length > MAX_EVENTS) recent.shift();
      return true;
    }),
  );

const isInUse = (deleting: Deleting, sha256: ArtifactHash): boolean => {
  if (deleting.inUse(sha256) === undefined) return false;
  deleting.deferred.add(sha256);
  return true;
};

/** What may be deleted, and the datasets that have it. */
type Deletable = ReadonlyMap<ArtifactHash, readonly Dataset[]>;

/** Undefined while nothing may be deleted. */
const findDeletable = async (deleting: Deleting): Promise<Deletable | undefined> => {
  const { datasets, config, book } = deleting;
  deleting.deferred = new Set();
  const found = await findFiles(datasets);
  // No await from here to the book: a config that is adopted later takes back what it lists (DK2).
  const current = config();
  book.run(current !== undefined);
  if (current === undefined) return undefined;
  const unwanted = [...found.artifacts].filter(
    ([sha256, { holders }]) => !current.artifacts.has(sha256) && holders.length > 0,
  );
  const deletable = unwanted.filter(([sha256]) => !isInUse(deleting, sha256));
  await book.observe({
    heldBytes: [...found.artifacts.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    deletable: new Map(deletable.map(([sha256, { sizeBytes }]) => [sha256, sizeBytes])),
    kept: deleting.deferred,
    isComplete: found.isComplete,
  });
  if (deleting.decisions.allowDeletionAt(pointOf(current))) await book.allowPending();
  return new Map(deletable.map(([sha256, { holders }]) => [sha256, holders]));
};

const stillDeferred = ({ deferred, config, inUse }: Deleting): DeferredDeletion[] =>
  [...deferred].flatMap(sha256 => {
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

type Files = {
  /** With the datasets that can be written, and the longest length. */
  readonly artifacts: ReadonlyMap<
    ArtifactHash,
    { readonly holders: readonly Dataset[]; readonly sizeBytes: number }
  >;
  readonly isComplete: boolean;
};

const findFiles = async (datasets: readonly Dataset[]): Promise<Files> => {
  const found = new Map<ArtifactHash, { holders: Dataset[]; sizeBytes: number }>();
  let isComplete = true;
  for (const dataset of datasets) {
    if (!dataset.isWritable()) isComplete = false;
    if (!dataset.isReadable()) continue;
    try {
      const { artifacts } = await dataset.scan();
      for (const [sha256, sizeBytes] of artifacts) {
        const before = found.get(sha256) ?? { holders: [], sizeBytes: 0 };
        found.set(sha256, {
          holders: dataset.isWritable() ? [...before.holders, dataset] : before.holders,
          sizeBytes: Math.max(before.sizeBytes, sizeBytes),
        });
      }
    } catch (error) {
      isComplete = false;
      dataset.reportFailure(error, 'read its directory');
    }
  }
  return { artifacts: found, isComplete };
};

const syncNames = async (dataset: Dataset): Promise<void> => {
  if (!dataset.isWritable()) return;
  await dataset.syncNames().catch((error: unknown) => dataset.reportFailure(error, 'make deletions durable'));
};
