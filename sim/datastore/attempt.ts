/**
 * One attempt of one transaction in memory: a step that runs whole, at one instant, so that all transactions are
 * strictly serialisable; and the ways in which a database fails it, which the caller decides.
 *
 *     fate ─▶ delay ─▶ read and write at once ─▶ delay ─▶ answer, or an error in its place
 *
 * MA1. The work sees the state as it is after the first delay; nothing is held while it waits.
 * MA2. A call that is cancelled before the work was applied changes nothing; after that its outcome is awaited (TX2).
 */
import type { Clock } from '../../src/lib/clock.ts';
import type { AccessMode, AttemptOutcome, Engine } from '../../src/nexus/datastore/transactions.ts';
import type { MemoryState, Moment, Query, Step } from './state.ts';

/**
 * - `done`: the work is run and committed.
 * - `conflict`, `lost`, `unreachable`: nothing is changed, as in {@link AttemptOutcome}.
 * - `uncertain_committed`: committed, and the answer is lost.
 * - `uncertain_lost`: nothing is changed, and the caller cannot tell it from the one before.
 *
 * A transaction that only reads leaves nothing uncertain: there both are `lost`.
 */
export type AttemptResult =
  | 'done'
  | 'conflict'
  | 'lost'
  | 'unreachable'
  | 'uncertain_committed'
  | 'uncertain_lost';

export type AttemptFate = {
  readonly result: AttemptResult;
  readonly delayBeforeMs?: number;
  readonly delayAfterMs?: number;
};

/** Asked before each attempt. */
export type DecideAttempt = (attempt: { readonly verb: string; readonly mode: AccessMode }) => AttemptFate;

/** What a transaction reads and writes through. */
export type MemoryTransaction = {
  readonly query: <T>(query: Query<T>, moment: Pick<Moment, 'repeated'>) => T;
  readonly apply: <T>(step: Step<T>, moment: Pick<Moment, 'repeated'>) => T;
};

/** The holder of the state. */
export type StateCell = { state: MemoryState; readonly nowMs: () => number };

const ALWAYS_DONE: AttemptFate = { result: 'done' };
const { signal: NEVER_ABORTED } = new AbortController();

type Deps = { readonly cell: StateCell; readonly clock: Clock; readonly decide: DecideAttempt | undefined };

export const memoryEngine = ({ cell, clock, decide }: Deps): Engine<MemoryTransaction> => ({
  async attempt(mode, work, { verb, signal }) {
    const { result, delayBeforeMs = 0, delayAfterMs = 0 } = decide?.({ verb, mode }) ?? ALWAYS_DONE;
    if (delayBeforeMs > 0) {
      try {
        await clock.sleep(delayBeforeMs, { signal });
      } catch (error) {
        return { kind: 'unreachable', error };
      }
    }
    if (signal.aborted) return { kind: 'unreachable', error: signal.reason };
    const outcome = await run(cell, result, mode, work);
    if (delayAfterMs > 0) await clock.sleep(delayAfterMs, { signal: NEVER_ABORTED });
    return outcome;
  },
  refused: (_verb, error) => error,
});

const run = async <T>(
  cell: StateCell,
  result: AttemptResult,
  mode: AccessMode,
  work: (transaction: MemoryTransaction) => Promise<T>,
): Promise<AttemptOutcome<T>> => {
  if (result === 'conflict' || result === 'lost' || result === 'unreachable')
    return { kind: result, error: orderedFailure(result) };
  let value: T;
  try {
    value = await work(transactionOn(cell, mode, result !== 'uncertain_lost'));
  } catch (failure) {
    return { kind: 'failed', error: failure };
  }
  if (result === 'done') return { kind: 'done', value };
  return { kind: mode === 'READ ONLY' ? 'lost' : 'uncertain', error: orderedFailure(result) };
};

const orderedFailure = (result: AttemptResult): Error =>
  new Error(`the run made the database fail: ${result}`);

/** Work applies one step, synchronously: no other step comes between its reading and its writing. */
const transactionOn = (cell: StateCell, mode: AccessMode, commits: boolean): MemoryTransaction => ({
  query: (query, { repeated }) => query(cell.state, { nowMs: cell.nowMs(), repeated }),
  apply(step, { repeated }) {
    if (mode === 'READ ONLY') throw new Error('cannot write in a transaction that only reads');
    const { state, answer } = step(cell.state, { nowMs: cell.nowMs(), repeated });
    if (commits) cell.state = state;
    return answer;
  },
});
