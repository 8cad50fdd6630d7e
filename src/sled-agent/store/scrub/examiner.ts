/**
 * Examines copies that may be bad, and quarantines those that are (G5, B11).
 *
 *     scrub, or a failed read ─▶ hash ─bad─▶ under the lock of the hash: hash again ─bad─▶ quarantined ─▶ reported
 *
 * EX1. Nothing is condemned by a stale read: the copy is read a second time under the lock of its hash, so that
 *      one that was written anew meanwhile stays.
 * EX2. A condemned copy is neither held, counted, served nor leased from then on, even if its dataset cannot be written
 *      and the file stays in place.
 * EX3. The examiner renames a bad copy and never deletes it; quarantine.ts bounds how much evidence is kept.
 * EX4. A copy that could not be quarantined is examined again once its dataset takes writes again: the disk may have failed,
 *      not the copy, and an unused file takes the space of the copy that would replace it.
 */
import type { ArtifactHash, DatasetId } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Disk } from '../../../lib/disk.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Pacer } from '../../../lib/pacer.ts';
import { forgetMarks, markRight } from '../dataset/copy-marks.ts';
import type { Dataset } from '../dataset/dataset.ts';
import type { KeyedLock } from '../locks.ts';
import { lookAtCopy } from './copy-look.ts';

type Verdict =
  | { readonly kind: 'good'; readonly sizeBytes: number }
  | { readonly kind: 'gone' }
  | { readonly kind: 'condemned'; readonly reason: string };

export type Examiner = AsyncDisposable & {
  /** Throws errors that say nothing about the copy. */
  readonly examine: (
    dataset: Dataset,
    sha256: ArtifactHash,
    options: { readonly pacer: Pacer; readonly signal: AbortSignal },
  ) => Promise<Verdict>;
  /** For callers that met a bad copy: it is examined in the background, at once. */
  readonly suspect: (sha256: ArtifactHash, datasetId: DatasetId, because: string) => void;
  /** EX4, in the background, one copy after the other. */
  readonly reconsider: (dataset: Dataset) => void;
  /** Quarantines a copy without a check. Returns false when it no longer exists. */
  readonly quarantine: (sha256: ArtifactHash, datasetId: DatasetId, reason: string) => Promise<boolean>;
  /** Calls after each copy that was condemned, until disposed. */
  readonly onCondemned: (listener: () => void) => Disposable;
};

export type ExaminerDependencies = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly byHash: KeyedLock;
  readonly clock: Clock;
  readonly log: Logger;
};

export const createExaminer = (deps: ExaminerDependencies): Examiner => {
  const { disk, datasets, byHash } = deps;
  const listeners = new Set<() => void>();

  const condemn = async (dataset: Dataset, sha256: ArtifactHash, reason: string): Promise<boolean> => {
    const isCondemned = await setAsideOrMark(deps, dataset, sha256, reason);
    if (isCondemned) for (const listener of listeners) listener();
    return isCondemned;
  };
  const foundRight = (dataset: Dataset, sha256: ArtifactHash): void => {
    forgetMarks(dataset, sha256);
    markRight(dataset, sha256, deps.clock);
  };
  /** EX1 */
  const lookAgain = (dataset: Dataset, sha256: ArtifactHash, signal: AbortSignal): Promise<Verdict> =>
    byHash(sha256, async () => {
      const look = await lookAtCopy(disk, dataset, sha256, { signal });
      if (look.kind === 'good') foundRight(dataset, sha256);
      if (look.kind !== 'bad') return look;
      await condemn(dataset, sha256, look.reason);
      return { kind: 'condemned', reason: look.reason };
    });
  const suspects = createSuspects(lookAgain, deps);
  /** EX4 */
  const reconsider = async (dataset: Dataset): Promise<void> => {
    for (const sha256 of [...dataset.marks.condemned.keys()])
      if (dataset.isWritable()) await suspects.lookAt(dataset, sha256, 'its dataset can be written again');
  };
  const find = (datasetId: DatasetId): Dataset | undefined =>
    datasets.find(each => each.id() === datasetId && each.isReadable());

  return {
    async examine(dataset, sha256, { pacer, signal }) {
      const look = await lookAtCopy(disk, dataset, sha256, { pacer, signal });
      if (look.kind === 'good') foundRight(dataset, sha256);
      return look.kind === 'bad' ? lookAgain(dataset, sha256, signal) : look;
    },
    suspect(sha256, datasetId, because) {
      const dataset = find(datasetId);
      if (dataset !== undefined) void suspects.lookAt(dataset, sha256, because);
    },
    reconsider: dataset => void reconsider(dataset),
    quarantine: (sha256, datasetId, reason) =>
      byHash(sha256, async () => {
        const dataset = find(datasetId);
        return dataset !== undefined && (await condemn(dataset, sha256, reason));
      }),
    onCondemned(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    [Symbol.asyncDispose]: () => suspects[Symbol.asyncDispose](),
  };
};

type Suspects = AsyncDisposable & {
  /** Resolves once it was examined, whatever the outcome. */
  readonly lookAt: (dataset: Dataset, sha256: ArtifactHash, because: string) => Promise<void>;
};

/** Copies that are examined in the background, each once at a time. Disposing aborts the examinations. */
const createSuspects = (
  look: (dataset: Dataset, sha256: ArtifactHash, signal: AbortSignal) => Promise<Verdict>,
  { log }: Pick<ExaminerDependencies, 'log'>,
): Suspects => {
  const stop = new AbortController();
  const underWay = new Map<string, Promise<void>>();

  const lookNow = async (dataset: Dataset, sha256: ArtifactHash, because: string): Promise<void> => {
    log.warn({ sha256, dataset: dataset.path, because }, 'copy is suspected, and examined');
    try {
      const { kind } = await look(dataset, sha256, stop.signal);
      log.info({ sha256, dataset: dataset.path, verdict: kind }, 'suspected copy examined');
    } catch (error) {
      if (!stop.signal.aborted) log.error({ sha256, err: error }, 'suspected copy could not be examined');
    }
  };

  return {
    async lookAt(dataset, sha256, because) {
      const key = `${dataset.id()}/${sha256}`;
      if (stop.signal.aborted) return;
      const looking =
        underWay.get(key) ?? lookNow(dataset, sha256, because).finally(() => underWay.delete(key));
      underWay.set(key, looking);
      await looking;
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'the store is closing'));
      await Promise.all(underWay.values());
    },
  };
};

/** EX2, EX3. Returns false when there is no such file. */
const setAsideOrMark = async (
  { disk, clock, log }: ExaminerDependencies,
  dataset: Dataset,
  sha256: ArtifactHash,
  reason: string,
): Promise<boolean> => {
  const facts = { sha256, dataset: dataset.path, dataset_id: dataset.id(), reason };
  forgetMarks(dataset, sha256);
  try {
    if (dataset.isWritable()) {
      if (!(await dataset.setAside(sha256, reason))) return false;
      log.error(facts, 'copy quarantined');
      return true;
    }
    await dataset.requirePresent(); // DS3
    if ((await disk.sizeOf(dataset.pathOf(sha256))) === undefined) return false;
  } catch (error) {
    dataset.reportFailure(error, `quarantine ${sha256}`);
  }
  dataset.marks.condemned.set(sha256, { reason, timeMs: clock.nowMs() });
  log.error(facts, 'copy is bad, and cannot be quarantined: it is no longer used');
  return true;
};
