/**
 * The task of the history: writes queued events, and deletes old ones.
 *
 *     something was noted ─▶ a moment to gather more ─▶ flush ─▶ trim, if it is due
 *
 * FH1. While the database is unavailable only this task fails; the queue is bounded.
 * FH2. Old events are deleted once an hour, and after each {@link TRIM_AFTER_EVENTS} written events: no write reads the
 *      whole table, and the table exceeds its bound by at most that many events of each Nexus.
 * FH3. Ages use the database's clock, so that a Nexus whose clock jumps deletes no recent history.
 */
import { type Clock, isoTime } from '../../lib/clock.ts';
import { DepotError, messageChain } from '../../lib/errors.ts';
import type { HistoryPort } from '../datastore/ports/history-port.ts';
import type { History } from '../history/history.ts';
import type { BackgroundTask } from './task.ts';

export const HISTORY_TASK = 'fleet_history';

/** Only looks if trimming is due, or if the database is back. */
const PERIOD_MS = 600_000;
/** Between the first event and its being written: one batch for what belongs together. */
export const GATHER_MS = 2_000;
/** While the database does not take it. */
const RETRY_MS = 5_000;
const TRIM_EVERY_MS = 3_600_000;
const TRIM_AFTER_EVENTS = 10_000;
/** A transaction that removes this many is short. */
const TRIM_BATCH_EVENTS = 1_000;
/** Of one activation: the rest comes soon after. */
const TRIM_BATCHES = 20;

/** How long the history reaches back, and how many events it has at most. */
export type HistoryLimits = {
  readonly retentionMs: number;
  readonly maxEvents: number;
};

type Deps = {
  readonly history: Pick<History, 'flush' | 'queued' | 'totals'>;
  readonly datastore: Pick<HistoryPort, 'fleetEventBounds' | 'fleetEventTrim'>;
  readonly clock: Clock;
  readonly config: HistoryLimits;
};

type State = {
  trimmed: number;
  /** Of the last time that all of it was trimmed. */
  last: { readonly monotonicMs: number; readonly timeMs: number; readonly recorded: number } | undefined;
  isFailing: boolean;
};

export const fleetHistory = (deps: Deps): BackgroundTask => {
  const state: State = { trimmed: 0, last: undefined, isFailing: false };
  return {
    name: HISTORY_TASK,
    description: 'record what happened to the fleet, and delete old events',
    periodMs: PERIOD_MS,
    async activate({ log, signal }) {
      try {
        await deps.history.flush({ signal });
        const isWhole = isTrimDue(deps, state) ? await trim(deps, state, signal) : true;
        state.isFailing = false;
        return { summary: summaryOf(deps, state), againInMs: isWhole ? undefined : GATHER_MS };
      } catch (error) {
        signal.throwIfAborted();
        if (!state.isFailing) log.warn({ err: error, queued: deps.history.queued() }, 'the history waits');
        state.isFailing = true;
        return { summary: { error: messageChain(error), ...summaryOf(deps, state) }, againInMs: RETRY_MS };
      }
    },
  };
};

/** Activates the task a moment after something was noted. */
export const followHistory = (deps: {
  readonly history: Pick<History, 'onPending'>;
  readonly activate: () => void;
  readonly clock: Clock;
}): Disposable => {
  const stop = new AbortController();
  let isWaiting = false;
  deps.history.onPending(() => {
    if (isWaiting || stop.signal.aborted) return;
    isWaiting = true;
    deps.clock.sleep(GATHER_MS, { signal: stop.signal }).then(
      () => {
        isWaiting = false;
        deps.activate();
      },
      () => undefined,
    );
  });
  return { [Symbol.dispose]: () => stop.abort(new DepotError('SHUTTING_DOWN', 'the history is closed')) };
};

const isTrimDue = ({ clock, history }: Deps, { last }: State): boolean =>
  last === undefined ||
  clock.monotonicMs() - last.monotonicMs >= TRIM_EVERY_MS ||
  history.totals().recorded - last.recorded >= TRIM_AFTER_EVENTS;

/** False when there is more to remove. */
const trim = async (
  { datastore, config, clock, history }: Deps,
  state: State,
  signal: AbortSignal,
): Promise<boolean> => {
  const { databaseMs, beyondMs } = await datastore.fleetEventBounds(config.maxEvents, { signal });
  const untilMs = Math.max(databaseMs - config.retentionMs, beyondMs ?? 0);
  for (let batches = 0; batches < TRIM_BATCHES; batches += 1) {
    const removed = await datastore.fleetEventTrim({ untilMs, limit: TRIM_BATCH_EVENTS }, { signal });
    state.trimmed += removed;
    if (removed === TRIM_BATCH_EVENTS) continue;
    const { recorded } = history.totals();
    state.last = { monotonicMs: clock.monotonicMs(), timeMs: clock.nowMs(), recorded };
    return true;
  }
  return false;
};

const summaryOf = ({ history }: Deps, { trimmed, last }: State) => {
  const { recorded, lost } = history.totals();
  return {
    recorded_total: recorded,
    lost_total: lost,
    queued: history.queued(),
    removed_total: trimmed,
    time_trimmed: last === undefined ? null : isoTime(last.timeMs),
  };
};
