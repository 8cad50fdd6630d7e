/**
 * One SERIALIZABLE transaction, repeated as a whole until its outcome is known, over whichever engine runs it
 * (attempt.ts for SQL, sim/datastore/attempt.ts in memory).
 *
 *     connect ─▶ BEGIN ─▶ work ─▶ COMMIT ─▶ done
 *        │          └─ conflict: again, after a back-off, a bounded number of times
 *        │          └─ no answer before COMMIT: nothing was changed; again for a bounded time, then DATABASE_UNAVAILABLE
 *        └─ no answer at COMMIT: uncertain; again until the outcome is certain (P4)
 *
 * TX1. Work may run more than once, so it has effects only through the transaction, and it is idempotent for the same ids: a
 *      repetition after an uncertain COMMIT finds its own rows.
 * TX2. A cancelled call rolls back, but waits for a COMMIT that was sent, so that cancelling does not make its outcome
 *      uncertain.
 * TX3. A broken connection is closed, never returned to the pool.
 */
import type { Rng } from '../../core/rng.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Database } from './tables.ts';
import { commitUncertain, contention, unavailable } from './transaction-errors.ts';

export type AccessMode = 'READ ONLY' | 'READ WRITE';

/** The known outcome of one attempt of one transaction. */
export type AttemptOutcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** Nothing was changed, because of another transaction. */
  | { readonly kind: 'conflict'; readonly error: unknown }
  /** Nothing was changed: there was no connection. */
  | { readonly kind: 'unreachable'; readonly error: unknown }
  /** Nothing was changed: the connection broke, or the answer took too long. */
  | { readonly kind: 'lost'; readonly error: unknown }
  /** COMMIT was sent and not answered. */
  | { readonly kind: 'uncertain'; readonly error: unknown }
  /** Nothing was changed: the work's own verdict, a refused statement, or a bug. */
  | { readonly kind: 'failed'; readonly error: unknown };

/** The database's interface for the loop. */
export type Engine<Db> = {
  /** Runs work in one transaction, once. Never rejects but for a bug. */
  readonly attempt: <T>(
    mode: AccessMode,
    work: (db: Db) => Promise<T>,
    options: Call & {
      readonly verb: string;
      /** An earlier COMMIT is uncertain: this one must not be durable before that one is. */
      readonly settles: boolean;
    },
  ) => Promise<AttemptOutcome<T>>;
  /** The caller's error for an attempt that `failed`. */
  readonly refused: (verb: string, error: unknown) => unknown;
};

export type Attempt = {
  /** An earlier attempt may have been committed: its effect may be there already. */
  readonly repeated: boolean;
};

type Call = { readonly signal: AbortSignal };

/** @template Db the interface of the work: by default the verbs of SQL */
export type Transactions<Db = Database> = {
  readonly read: <T>(verb: string, work: (db: Db) => Promise<T>, call: Call) => Promise<T>;
  readonly write: <T>(verb: string, work: (db: Db, attempt: Attempt) => Promise<T>, call: Call) => Promise<T>;
};

/** One of the conflicting transactions commits each time, so this is enough for as many writers. */
const MAX_CONFLICTS = 60;
const CONFLICT_BACKOFF = { firstMs: 4, maxMs: 500 };
/** A restarted database leaves the pool with dead connections; the next attempt gets a fresh one in any case. */
const MAX_LOST_CONNECTIONS = 2;
const LOST_BACKOFF = { firstMs: 50, maxMs: 500 };
const UNCERTAIN_BACKOFF = { firstMs: 50, maxMs: 5_000 };

type Deps<Db> = {
  readonly engine: Engine<Db>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly rng: Rng;
  /** How long a call is retried while the database does not answer; by default it is not. */
  readonly retryForMs?: number;
};

export const createTransactions = <Db>({
  engine,
  log,
  clock,
  rng,
  retryForMs = 0,
}: Deps<Db>): Transactions<Db> => {
  const run = async <T>(
    mode: AccessMode,
    verb: string,
    work: (db: Db, attempt: Attempt) => Promise<T>,
    { signal }: Call,
  ): Promise<T> => {
    const failures = { conflicts: 0, lost: 0 };
    const giveUpMs = clock.monotonicMs() + retryForMs;
    let uncertain: { readonly error: unknown } | undefined;
    const pause = (count: number, bounds: { firstMs: number; maxMs: number }) =>
      clock.sleep(backoffMs(count, bounds, rng.next()), { signal }).catch(() => undefined);

    for (;;) {
      if (signal.aborted)
        throw uncertain === undefined ? signal.reason : commitUncertain(verb, uncertain.error);
      const repeated = uncertain !== undefined;
      const outcome = await engine.attempt(mode, db => work(db, { repeated }), {
        verb,
        settles: repeated,
        signal,
      });
      switch (outcome.kind) {
        case 'done':
          return outcome.value;
        case 'failed':
          if (signal.aborted) continue;
          // A verdict of the work is based on a read; any other error leaves the outcome of an earlier COMMIT open.
          if (uncertain !== undefined && !(outcome.error instanceof DepotError)) {
            throw commitUncertain(verb, outcome.error);
          }
          throw engine.refused(verb, outcome.error);
        case 'conflict':
          failures.conflicts += 1;
          if (uncertain === undefined && failures.conflicts > MAX_CONFLICTS)
            throw contention(verb, outcome.error);
          log.debug({ verb, conflicts: failures.conflicts }, 'transaction conflicts with another, again');
          await pause(failures.conflicts, CONFLICT_BACKOFF);
          continue;
        case 'uncertain':
          uncertain = outcome;
          break;
        case 'lost':
        case 'unreachable':
          break;
        default:
          outcome satisfies never;
      }
      failures.lost += 1;
      if (uncertain !== undefined) {
        log.warn({ err: outcome.error, verb, attempts: failures.lost }, 'commit uncertain, asking again');
        await pause(failures.lost, UNCERTAIN_BACKOFF);
        continue;
      }
      // Another connection of the pool may be a good one.
      if (signal.aborted || (outcome.kind === 'lost' && failures.lost <= MAX_LOST_CONNECTIONS)) continue;
      if (clock.monotonicMs() >= giveUpMs) throw unavailable(verb, outcome.error);
      await pause(failures.lost, LOST_BACKOFF);
    }
  };

  return {
    read: (verb, work, call) => run('READ ONLY', verb, work, call),
    write: (verb, work, call) => run('READ WRITE', verb, work, call),
  };
};
