/**
 * Whether the database answers the calls of this Nexus: for the status, and for callers that wait for its return.
 *
 *     every verb ─▶ watched ─┬─ answered ─────────────▶ the outage is over; waiting callers are woken
 *                            └─ DATABASE_UNAVAILABLE, COMMIT_UNCERTAIN ─▶ an outage, since the first call that failed
 *
 * DW1. A call passes unchanged: the same arguments, the same answer, the same error.
 * DW2. An outage begins with the first call that the database does not answer, and ends with the first answer. A
 *      call that is refused or ended by its caller neither begins one nor ends it.
 */
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { Datastore } from './datastore.ts';

/**
 * Shorter outages are covered by back-off. If one call fails repeatedly while others are answered, each answer would
 * otherwise end its back-off.
 */
export const LONG_OUTAGE_MS = 5_000;

/** The database is away. */
export type Outage = {
  /** When the first call failed, by the wall clock. */
  readonly sinceMs: number;
  /** The message of the last failed call. */
  readonly message: string;
};

export type DatabaseWatch = {
  /** Undefined while the database answers. */
  readonly outage: () => Outage | undefined;
  /** For a failure outside of the watched verbs: a start that cannot connect, a read that was given up. */
  readonly failed: (message: string) => void;
  readonly answered: () => void;
  /** Resolves after `ms`, or with the next answer of the database. Rejects with the signal's reason. */
  readonly waitForAnswer: (ms: number, options: { signal: AbortSignal }) => Promise<void>;
  /** Called when an outage of at least {@link LONG_OUTAGE_MS} is over. */
  readonly onReturn: (listener: () => void) => void;
  readonly watched: (datastore: Datastore) => Datastore;
};

const isAbsence = (error: unknown): boolean => {
  const code = errorCodeOf(error);
  return code === 'DATABASE_UNAVAILABLE' || code === 'COMMIT_UNCERTAIN';
};

export const createDatabaseWatch = (clock: Clock): DatabaseWatch => {
  let outage: Outage | undefined;
  /** Of the outage, on the monotonic clock. */
  let beganMs = 0;
  const waiting = new Set<AbortController>();
  const listeners = new Set<() => void>();

  const failed = (message: string): void => {
    if (outage === undefined) beganMs = clock.monotonicMs();
    outage = { sinceMs: outage?.sinceMs ?? clock.nowMs(), message };
  };
  const answered = (): void => {
    const isBack = outage !== undefined && clock.monotonicMs() - beganMs >= LONG_OUTAGE_MS;
    outage = undefined;
    for (const waiter of waiting) waiter.abort();
    waiting.clear();
    if (isBack) for (const listener of listeners) listener();
  };

  return {
    outage: () => outage,
    failed,
    answered,
    async waitForAnswer(ms, { signal }) {
      signal.throwIfAborted();
      const waiter = new AbortController();
      waiting.add(waiter);
      try {
        await clock.sleep(ms, { signal: AbortSignal.any([signal, waiter.signal]) });
      } catch (error) {
        if (!waiter.signal.aborted || signal.aborted) throw error;
      } finally {
        waiting.delete(waiter);
      }
    },
    onReturn: listener => void listeners.add(listener),
    watched: datastore => watchVerbs(datastore, { failed, answered }),
  };
};

type Verb = (...args: readonly unknown[]) => Promise<unknown>;

const watchVerbs = (
  datastore: Datastore,
  { failed, answered }: Pick<DatabaseWatch, 'failed' | 'answered'>,
): Datastore => {
  const watch =
    (verb: Verb): Verb =>
    async (...args) => {
      try {
        const answer = await verb(...args);
        answered();
        return answer;
      } catch (error) {
        if (isAbsence(error)) failed(messageChain(error));
        throw error;
      }
    };
  const verbs = Object.entries(datastore).map(([name, verb]) => [name, watch(verb as Verb)]);
  return { ...datastore, ...Object.fromEntries(verbs) } as Datastore;
};
