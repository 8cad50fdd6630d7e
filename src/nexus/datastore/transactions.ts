/**
 * One SERIALIZABLE transaction, repeated as a whole until its outcome is known.
 *
 *     connect ─▶ BEGIN ─▶ work ─▶ COMMIT ─▶ done
 *        │          └─ conflict: again, after a back-off, a bounded number of times
 *        │          └─ no answer before COMMIT: nothing was changed; again at once, then DATABASE_UNAVAILABLE
 *        └─ no answer at COMMIT: uncertain; again until the database says (P4)
 *
 * T1. Work runs more than once, so it has no effect but through the transaction, and it is idempotent for the
 *     same ids: a repetition after an uncertain COMMIT finds its own rows.
 * T2. A cancelled call rolls back; but a COMMIT that was sent is waited for, so that cancelling does not make
 *     uncertain what is about to be certain.
 * T3. A connection on which anything broke is closed, never returned to the pool.
 */
import type pg from 'pg';
import type { Rng } from '../../core/rng.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { type AccessMode, attemptTransaction, type Database } from './attempt.ts';
import { contention, refused, unavailable } from './sql-errors.ts';

export type Attempt = {
  /** An earlier attempt may have been committed: its effect may be there already. */
  readonly repeated: boolean;
};

type Call = { readonly signal: AbortSignal };

export type Transactions = {
  readonly read: <T>(verb: string, work: (db: Database) => Promise<T>, call: Call) => Promise<T>;
  readonly write: <T>(
    verb: string,
    work: (db: Database, attempt: Attempt) => Promise<T>,
    call: Call,
  ) => Promise<T>;
};

/** Of all transactions that meet, one commits, so each round has one fewer: enough for as many writers. */
const MAX_CONFLICTS = 60;
const CONFLICT_BACKOFF = { firstMs: 4, maxMs: 500 };
/** A restarted database leaves the pool with dead connections; the next one is a fresh one. */
const MAX_LOST_CONNECTIONS = 2;
const UNCERTAIN_BACKOFF = { firstMs: 50, maxMs: 5_000 };

type Deps = { readonly pool: pg.Pool; readonly log: Logger; readonly clock: Clock; readonly rng: Rng };

export const createTransactions = ({ pool, log, clock, rng }: Deps): Transactions => {
  const run = async <T>(
    mode: AccessMode,
    verb: string,
    work: (db: Database, attempt: Attempt) => Promise<T>,
    { signal }: Call,
  ): Promise<T> => {
    const failures = { conflicts: 0, lost: 0 };
    let uncertain: { readonly error: unknown } | undefined;
    const pause = (count: number, bounds: { firstMs: number; maxMs: number }) =>
      clock.sleep(backoffMs(count, bounds, rng.next()), { signal }).catch(() => undefined);

    for (;;) {
      if (signal.aborted)
        throw uncertain === undefined ? signal.reason : commitUncertain(verb, uncertain.error);
      const repeated = uncertain !== undefined;
      const outcome = await attemptTransaction(pool, mode, db => work(db, { repeated }), signal);
      switch (outcome.kind) {
        case 'done':
          return outcome.value;
        case 'failed':
          if (signal.aborted) continue;
          // The work's own verdict comes from having looked; anything else leaves open what an earlier COMMIT did.
          if (uncertain !== undefined && !(outcome.error instanceof DepotError)) {
            throw commitUncertain(verb, outcome.error);
          }
          throw refused(verb, outcome.error);
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
      } else if (
        !signal.aborted &&
        (outcome.kind === 'unreachable' || failures.lost > MAX_LOST_CONNECTIONS)
      ) {
        throw unavailable(verb, outcome.error);
      }
    }
  };

  return {
    read: (verb, work, call) => run('READ ONLY', verb, work, call),
    write: (verb, work, call) => run('READ WRITE', verb, work, call),
  };
};

const commitUncertain = (verb: string, cause: unknown): DepotError =>
  new DepotError('COMMIT_UNCERTAIN', `${verb}: given up before the database said whether it was committed`, {
    cause,
  });
