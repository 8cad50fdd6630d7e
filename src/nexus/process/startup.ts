/**
 * The time between listening and serving: the database may be down, and what lies in staging is not yet taken up.
 *
 * SU1. Until everything is there each request is answered with the reason why not, and nothing is run for it. The
 *      status and the metrics are answered all the same: with that reason, and with what is known without a database.
 * SU2. A database that does not answer, or of which only a standby does, is waited for; any other error ends the start
 *      (S14: another schema version).
 */
import type { Api } from '../../api/route.ts';
import type { Rng } from '../../core/rng.ts';
import type { BoundRoute, Handlers } from '../../http/handlers.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, isOfDatabase, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { DatabaseWatch, Outage } from '../datastore/database-watch.ts';

/** Short, so that a fleet that starts as a whole is up as soon as its database is. */
const RETRY = { firstMs: 250, maxMs: 10_000 };

/** Something that handlers need and that is there only after the start. */
export type Late<T> = {
  /** Throws `DATABASE_UNAVAILABLE` with what the start waits for, until it is there. */
  readonly get: () => T;
  readonly peek: () => T | undefined;
  readonly set: (value: T) => void;
};

export const createLate = <T>(watch: Pick<DatabaseWatch, 'outage'>): Late<T> => {
  let value: T | undefined;
  return {
    get() {
      if (value !== undefined) return value;
      throw new DepotError(
        'DATABASE_UNAVAILABLE',
        `this Nexus is starting: ${startWaitsFor(watch.outage())}`,
      );
    },
    peek: () => value,
    set(given) {
      value = given;
    },
  };
};

/** What a start waits for. */
export const startWaitsFor = (outage: Outage | undefined): string =>
  outage === undefined
    ? 'it reads the database and takes up what lies in its staging directory'
    : `it waits for the database: ${outage.message}`;

/**
 * As `bindApi`, for handlers that are there only after the start.
 *
 * @param early what is answered before that, where there is something to say already
 */
export const bindLate = <A extends Api>(
  api: A,
  handlers: () => Handlers<A>,
  early: () => Partial<Handlers<A>> = () => ({}),
): readonly BoundRoute[] =>
  Object.entries(api.routes).map(([name, route]) => ({
    route,
    handle: async (request: never) => {
      const key = name as keyof A['routes'];
      const handle = (early()[key] ?? handlers()[key]) as (request: never) => Promise<unknown>;
      return handle(request);
    },
  }));

/**
 * Repeats `attempt` until it does not fail for want of the database (SU2).
 *
 * @param call.giveUpAfterMs when the last error is thrown after all; by default never
 */
export const waitForDatabase = async <T>(
  attempt: () => Promise<T>,
  { clock, rng, log, waitsFor }: { clock: Clock; rng: Rng; log: Logger; waitsFor: (reason: string) => void },
  { signal, giveUpAfterMs }: { signal: AbortSignal; giveUpAfterMs?: number },
): Promise<T> => {
  const startMs = clock.monotonicMs();
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || !isOfDatabase(error)) throw error;
      if (giveUpAfterMs !== undefined && clock.monotonicMs() - startMs >= giveUpAfterMs) throw error;
      waitsFor(messageChain(error));
      log.warn({ err: error, failures }, 'waiting for the database');
    }
    await clock.sleep(backoffMs(failures, RETRY, rng.next()), { signal });
  }
};
