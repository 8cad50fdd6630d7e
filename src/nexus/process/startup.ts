/**
 * The time between listening and serving: the database may be down, and the archives in staging are not adopted yet.
 *
 * SU1. Until everything is ready each request is answered with the reason, without running it. The status and the metrics
 *      are answered: with that reason, and with the facts that need no database.
 */

import type { Api } from '../../api/route.ts';
import { renderReason } from '../../core/facts/reason-text.ts';
import type { BoundRoute, ErasedHandler, Handlers } from '../../http/handlers.ts';
import { DepotError } from '../../lib/errors.ts';
import type { DatabaseWatch } from '../datastore/database-watch.ts';

/** A dependency of handlers that exists only after the start. */
export type Late<T> = {
  /** Throws `DATABASE_UNAVAILABLE` with the reason of the wait, until it is there. */
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
 * As `bindApi`, for handlers that exist only after the start.
 *
 * @param early handlers that answer before that
 */
export const bindLate = <A extends Api>(
  api: A,
  handlers: () => Handlers<A>,
  early: () => Partial<Handlers<A>> = () => ({}),
): readonly BoundRoute[] =>
  Object.entries(api.routes).map(([name, route]) => ({
    route,
    version: api.version,
    handle: async request => {
      const key = name as keyof A['routes'];
      const handle = (early()[key] ?? handlers()[key]) as ErasedHandler;
      return handle(request);
    },
  }));
