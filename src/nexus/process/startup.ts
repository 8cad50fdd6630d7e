/**
 * The time between listening and serving: the database may be down, and what lies in staging is not yet taken up.
 *
 * SU1. Until everything is there each request is answered with the reason why not, and nothing is run for it. The
 *      status and the metrics are answered all the same: with that reason, and with what is known without a database.
 */

import type { Api } from '../../api/route.ts';
import { renderReason } from '../../core/facts/reason-text.ts';
import type { BoundRoute, ErasedHandler, Handlers } from '../../http/handlers.ts';
import { DepotError } from '../../lib/errors.ts';
import type { DatabaseWatch } from '../datastore/database-watch.ts';

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
      const starting = { code: 'NEXUS_STARTING', error: watch.outage()?.message } as const;
      throw new DepotError('DATABASE_UNAVAILABLE', renderReason(starting).message);
    },
    peek: () => value,
    set(given) {
      value = given;
    },
  };
};

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
    handle: async request => {
      const key = name as keyof A['routes'];
      const handle = (early()[key] ?? handlers()[key]) as ErasedHandler;
      return handle(request);
    },
  }));
