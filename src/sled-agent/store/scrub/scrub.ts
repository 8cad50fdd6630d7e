/**
 * The scrub: every stored file of every dataset is hashed again within a period, and a bad one is quarantined (G5, B11).
 *
 *     cycle: all files, in its own order ─▶ read at a bounded rate ─▶ examiner
 *              └─ progress on disk, periodically ◀─ start: resume from there
 *
 * SB1. A cycle begins half a period after the one before it began. A file may come first in one cycle and last in the
 *      next, so that it is read again within a period, as long as a cycle needs no more than half of it.
 * SB2. The rate bounds all datasets together, and has priority over the period: a cycle that takes longer logs it.
 * SB3. A restart resumes the cycle on disk; without a readable one a new cycle begins.
 * SB4. A failure of one file or dataset skips only its own check in this cycle.
 */
import type { ArtifactHash } from '../../../core/ids.ts';
import type { Rng } from '../../../core/rng.ts';
import type { ScrubProgress } from '../../../core/sled-report.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Disk } from '../../../lib/disk.ts';
import type { Logger } from '../../../lib/log.ts';
import { createPacer } from '../../../lib/pacer.ts';
import type { Dataset } from '../dataset/dataset.ts';
import { positionOf, readScrubRecord, type ScrubRecord, writeScrubRecord } from '../files/scrub-progress.ts';
import { createKeyedLock } from '../locks.ts';
import type { Scrub, StoreSettings } from '../store.ts';
import type { Examiner } from './examiner.ts';

/** A kill loses at most a minute of reading. */
const SAVE_PERIOD_MS = 60_000;

export type Scrubber = Scrub & {
  /** Undefined before the first cycle. */
  readonly progress: () => ScrubProgress | undefined;
};

export type ScrubberDependencies = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly examiner: Pick<Examiner, 'examine'>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly settings: Pick<StoreSettings, 'scrub'>;
};

type Target = { readonly dataset: Dataset; readonly sha256: ArtifactHash; readonly position: string };

/** The facts about this cycle and earlier ones. */
type State = {
  record: Omit<ScrubRecord, 'position'> | undefined;
  /** Per dataset, the last file that was read in this cycle. */
  readonly positions: Map<Dataset, string>;
  startedMonotonicMs: number;
  filesTotal: number;
  savedMonotonicMs: number;
};

type CycleRecord = NonNullable<State['record']>;
/** From the first cycle on. */
type BegunState = State & { record: CycleRecord };

const isBegun = (state: State): state is BegunState => state.record !== undefined;

export const createScrubber = (deps: ScrubberDependencies): Scrubber => {
  const { clock, log, settings } = deps;
  const queue = createKeyedLock();
  const inTurn = (work: () => Promise<void>): Promise<void> => queue('cycle', work);
  const halfPeriodMs = settings.scrub.periodMs / 2;
  const state: State = {
    record: undefined,
    positions: new Map(),
    startedMonotonicMs: 0,
    filesTotal: 0,
    savedMonotonicMs: 0,
  };

  /** One formula for waiting and for checking: with two, rounding could say after the wait that the cycle is not due. */
  const untilDueMs = (): number => state.startedMonotonicMs + halfPeriodMs - clock.monotonicMs();

  const goOn = async (begun: BegunState, signal: AbortSignal): Promise<void> => {
    await runCycle(deps, begun, signal);
    const tookMs = clock.monotonicMs() - state.startedMonotonicMs;
    if (tookMs > halfPeriodMs)
      log.warn(
        { took_ms: tookMs },
        'a scrub takes more than half its period: limits.scrub_bytes_per_s is low',
      ); // SB2
  };

  return {
    async run({ signal }) {
      await inTurn(() => load(deps, state));
      while (!signal.aborted) {
        const waitMs = state.record === undefined ? 0 : untilDueMs();
        const isUnderWay = state.record?.is_done === false;
        if (!isUnderWay && waitMs > 0) await clock.sleep(waitMs, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        await inTurn(async () => {
          const isDue = !isBegun(state) || (state.record.is_done && untilDueMs() <= 0);
          const begun = isDue ? begin(deps, state) : state;
          if (!begun.record.is_done) await goOn(begun, signal);
        });
      }
    },
    cycle: ({ signal }) =>
      inTurn(async () => {
        await goOn(begin(deps, state), signal);
      }),
    progress: () => state.record && progressOf(state.record, state.filesTotal),
  };
};

/** SB3 */
const load = async (deps: ScrubberDependencies, state: State): Promise<void> => {
  const { clock, settings } = deps;
  const found = await readRecords(deps);
  const record = newestOf(found.values());
  state.record = record;
  if (record === undefined) return;
  for (const [dataset, own] of found) {
    const isSame = own.cycle_started_ms === record.cycle_started_ms && own.seed === record.seed;
    if (isSame) state.positions.set(dataset, own.position);
  }
  const halfPeriodMs = settings.scrub.periodMs / 2;
  const elapsedMs = clock.nowMs() - record.cycle_started_ms;
  // A wall clock that was set back proves nothing: then the next cycle is due.
  const knownMs = elapsedMs < 0 ? halfPeriodMs : Math.min(elapsedMs, halfPeriodMs);
  state.startedMonotonicMs = clock.monotonicMs() - knownMs;
};

const begin = ({ clock, rng }: ScrubberDependencies, state: State): BegunState => {
  const { record } = state;
  state.startedMonotonicMs = clock.monotonicMs();
  state.positions.clear();
  const begun: CycleRecord = {
    cycle_started_ms: clock.nowMs(),
    seed: rng.below(2 ** 32),
    is_done: false,
    files_done: 0,
    bytes_done: 0,
    cycles_completed: record?.cycles_completed ?? 0,
    ...(record?.last_completed_ms !== undefined && { last_completed_ms: record.last_completed_ms }),
    ...(record?.last_bad !== undefined && { last_bad: record.last_bad }),
  };
  return Object.assign(state, { record: begun });
};

/** To its end, or until the signal aborts. */
const runCycle = async (
  deps: ScrubberDependencies,
  state: BegunState,
  signal: AbortSignal,
): Promise<void> => {
  const { clock, settings, log } = deps;
  const pacer = createPacer(clock, settings.scrub.bytesPerSecond);
  const all = await findTargets(deps, state.record.seed);
  const left = all.filter(({ dataset, position }) => position > (state.positions.get(dataset) ?? ''));
  state.filesTotal = state.record.files_done + left.length;
  state.savedMonotonicMs = clock.monotonicMs();
  for (const target of left) {
    if (signal.aborted) break;
    const sizeBytes = await lookAt(deps, state, target, { pacer, signal });
    if (signal.aborted) break;
    const { record } = state;
    state.positions.set(target.dataset, target.position);
    state.record = {
      ...record,
      files_done: record.files_done + 1,
      bytes_done: record.bytes_done + sizeBytes,
    };
    if (clock.monotonicMs() - state.savedMonotonicMs >= SAVE_PERIOD_MS) await save(deps, state);
  }
  if (!signal.aborted) {
    const { cycles_completed } = state.record;
    state.record = {
      ...state.record,
      is_done: true,
      cycles_completed: cycles_completed + 1,
      last_completed_ms: clock.nowMs(),
    };
    const { files_done, bytes_done } = state.record;
    if (files_done > 0) log.info({ files_done, bytes_done }, 'scrub cycle completed');
  }
  // A dataset without an artifact gets no file: there is nothing to resume.
  if (all.length > 0) await save(deps, state);
};

/** SB4. Returns the number of bytes read. */
const lookAt = async (
  { examiner, clock, log }: ScrubberDependencies,
  state: BegunState,
  { dataset, sha256 }: Target,
  options: { readonly pacer: ReturnType<typeof createPacer>; readonly signal: AbortSignal },
): Promise<number> => {
  if (!dataset.isReadable()) return 0;
  // If it still cannot be quarantined, another check would change nothing.
  if (dataset.marks.condemned.has(sha256) && !dataset.isWritable()) return 0;
  try {
    const verdict = await examiner.examine(dataset, sha256, options);
    if (verdict.kind === 'good') return verdict.sizeBytes;
    if (verdict.kind === 'condemned') {
      const last_bad = { sha256, reason: verdict.reason, time_ms: clock.nowMs() };
      state.record = { ...state.record, last_bad };
    }
  } catch (error) {
    if (!options.signal.aborted)
      log.warn(
        { sha256, dataset: dataset.path, err: error },
        'copy could not be checked; the next cycle retries it',
      );
  }
  return 0;
};

const findTargets = async ({ datasets }: ScrubberDependencies, seed: number): Promise<Target[]> => {
  const targets: Target[] = [];
  for (const dataset of datasets) {
    if (!dataset.isReadable()) continue;
    try {
      for (const sha256 of (await dataset.scan()).artifacts.keys())
        targets.push({ dataset, sha256, position: positionOf(sha256, seed) });
    } catch (error) {
      dataset.reportFailure(error, 'read its directory');
    }
  }
  return targets.sort((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0));
};

const readRecords = async ({ disk, datasets }: ScrubberDependencies): Promise<Map<Dataset, ScrubRecord>> => {
  const found = new Map<Dataset, ScrubRecord>();
  for (const dataset of datasets) {
    const record = dataset.isReadable() ? await readScrubRecord(disk, dataset.path) : undefined;
    if (record !== undefined) found.set(dataset, record);
  }
  return found;
};

const newestOf = (records: Iterable<ScrubRecord>): ScrubRecord | undefined =>
  [...records].sort((a, b) => b.cycle_started_ms - a.cycle_started_ms || b.files_done - a.files_done)[0];

/** Lost progress only repeats some checks, and is no reason to stop. */
const save = async ({ disk, datasets, clock }: ScrubberDependencies, state: BegunState): Promise<void> => {
  state.savedMonotonicMs = clock.monotonicMs();
  for (const dataset of datasets) {
    if (!dataset.isWritable()) continue;
    const record = { ...state.record, position: state.positions.get(dataset) ?? '' };
    try {
      await dataset.requirePresent(); // DS3
      await writeScrubRecord(disk, dataset.path, record);
    } catch (error) {
      dataset.reportFailure(error, 'write the progress of its scrub');
    }
  }
};

const progressOf = (record: Omit<ScrubRecord, 'position'>, filesTotal: number): ScrubProgress => ({
  cycleStartedMs: record.cycle_started_ms,
  cyclesCompleted: record.cycles_completed,
  filesDone: record.files_done,
  filesTotal: Math.max(filesTotal, record.files_done),
  bytesDone: record.bytes_done,
  lastCompletedMs: record.last_completed_ms,
  lastBad: record.last_bad && {
    sha256: record.last_bad.sha256,
    reason: record.last_bad.reason,
    timeMs: record.last_bad.time_ms,
  },
});
