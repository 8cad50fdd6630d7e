/**
 * What the status says from the database: read when it is asked for, and remembered for when the database is away.
 *
 *     readFacts() ─┬─ answered in time ─▶ facts, remembered
 *                  └─ no answer ────────▶ the facts of the last answer, their age, and the outage
 *
 * RD1. A status is answered within {@link READ_TIMEOUT_MS}, whatever the database does.
 * RD2. Old facts are never told without their age and the outage: `outage` is there whenever they are not of now.
 */
import type { FleetStatus } from '../../api/operator-fleet-api.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import type { Generation } from '../../core/ids.ts';
import { type Clock, isoTime } from '../../lib/clock.ts';
import { isOfDatabase, messageChain } from '../../lib/errors.ts';
import type { DatabaseWatch, Outage } from '../datastore/database-watch.ts';
import { readAllPages } from '../datastore/paging.ts';
import type { NexusPort, NexusRecord } from '../datastore/ports/nexus-port.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { TrustRootPort } from '../datastore/ports/trust-root-port.ts';
import type { WantedSetPort } from '../datastore/ports/wanted-set-port.ts';
import { type Expiries, readExpiries } from './expiry-warnings.ts';

/** A person waits for it, and a monitor has a timeout of its own. */
export const READ_TIMEOUT_MS = 5_000;

type DatabaseFacts = {
  readonly generation: Generation;
  readonly nexuses: readonly NexusRecord[];
  readonly sledsExpunged: number;
  readonly expiries: Expiries;
};

export type DatabaseReading = {
  /** Undefined when this Nexus has never read them. */
  readonly known:
    | { readonly facts: DatabaseFacts; readonly timeMs: number; readonly ageMs: number }
    | undefined;
  /** Why they are not of now. */
  readonly outage: Outage | undefined;
};

export type ReadDatabase = (options: { signal: AbortSignal }) => Promise<DatabaseReading>;

/** The reading of a Nexus that has not been able to ask. */
export const nothingRead = (outage: Outage | undefined): DatabaseReading => ({ known: undefined, outage });

export const createDatabaseReader = (deps: {
  readonly datastore: Pick<WantedSetPort, 'currentGeneration'> &
    Pick<NexusPort, 'nexusList'> &
    Pick<SledPort, 'sledList'> &
    Pick<TrustRootPort, 'trustRootList'> &
    Pick<ReleasePort, 'releaseRoles'>;
  readonly watch: Pick<DatabaseWatch, 'outage' | 'failed'>;
  readonly clock: Clock;
}): ReadDatabase => {
  const { datastore, watch, clock } = deps;
  let last: { facts: DatabaseFacts; timeMs: number; monotonicMs: number } | undefined;
  const known = (): DatabaseReading['known'] =>
    last && { facts: last.facts, timeMs: last.timeMs, ageMs: clock.monotonicMs() - last.monotonicMs };

  return async ({ signal }) => {
    const deadline = clock.timeout(READ_TIMEOUT_MS);
    try {
      const facts = await readFacts(datastore, AbortSignal.any([signal, deadline]));
      last = { facts, timeMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
      return { known: known(), outage: undefined };
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.aborted && !isOfDatabase(error)) throw error;
      if (deadline.aborted) watch.failed(GAVE_UP);
      return {
        known: known(),
        outage: watch.outage() ?? { sinceMs: clock.nowMs(), message: messageChain(error) },
      };
    }
  };
};

const GAVE_UP = `no answer to the status within ${READ_TIMEOUT_MS / 1000} s`;

const readFacts = async (
  datastore: Parameters<typeof createDatabaseReader>[0]['datastore'],
  signal: AbortSignal,
): Promise<DatabaseFacts> => {
  const [{ generation }, nexuses, sledsExpunged, expiries] = await Promise.all([
    datastore.currentGeneration({ signal }),
    datastore.nexusList({ signal }),
    countExpunged(datastore, signal),
    readExpiries(datastore, { signal }),
  ]);
  return { generation, nexuses, sledsExpunged, expiries };
};

const SLED_PAGE = 500;

const countExpunged = async (datastore: Pick<SledPort, 'sledList'>, signal: AbortSignal): Promise<number> => {
  const sleds = await readAllPages(SLED_PAGE, page => datastore.sledList(page, { signal }));
  return sleds.filter(({ policy }) => policy === 'expunged').length;
};

/** Whether the database answers, on the wire. */
export const databaseView = ({ known, outage }: DatabaseReading): NonNullable<FleetStatus['database']> => ({
  state: outage === undefined ? 'answers' : 'unavailable',
  ...(known === undefined ? {} : { time_read: isoTime(known.timeMs), age_s: Math.round(known.ageMs / 1000) }),
  ...(outage === undefined
    ? {}
    : { time_unavailable_since: isoTime(outage.sinceMs), message: outage.message }),
});

export const outageReasons = ({ known, outage }: DatabaseReading): HealthReason[] => {
  if (outage === undefined) return [];
  const { message: error, sinceMs } = outage;
  const read = known && { readAgeMs: Math.round(known.ageMs) };
  return [{ code: 'DATABASE_UNAVAILABLE', because: 'no_answer', error, sinceMs, ...read }];
};
