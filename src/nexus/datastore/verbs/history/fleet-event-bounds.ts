import { sql } from 'kysely';
import { databaseNow } from '../../database-time.ts';
import { ifGiven } from '../../optional-clause.ts';
import type { HistoryPort } from '../../ports/history-port.ts';
import type { Database } from '../../tables.ts';
import { timeValue } from '../../time-value.ts';
import type { Transactions } from '../../transactions.ts';

/** The events of one statement, which then ends far below its time limit, however many events are kept. */
const STEP_EVENTS = 50_000;

/** Walks over `keepCount` entries of the index over time; called rarely, not at each write. */
export const fleetEventBounds =
  (transactions: Transactions, stepEvents = STEP_EVENTS): HistoryPort['fleetEventBounds'] =>
  (keepCount, wait) =>
    transactions.read(
      'fleet_event_bounds',
      async db => {
        const { now } = await db.selectNoFrom(databaseNow.as('now')).executeTakeFirstOrThrow();
        const beyond = await eventAt(db, keepCount, stepEvents);
        return { databaseMs: now, beyondMs: beyond?.time ?? null };
      },
      wait,
    );

/** The event that has exactly `index` newer ones. */
const eventAt = async (db: Database, index: number, stepEvents: number) => {
  let found = await eventAfter(db, undefined, Math.min(index, stepEvents));
  for (let at = Math.min(index, stepEvents); found !== undefined && at < index; ) {
    const step = Math.min(index - at, stepEvents);
    found = await eventAfter(db, found, step - 1);
    at += step;
  }
  return found;
};

const eventAfter = (db: Database, after: { time: number; id: string } | undefined, skip: number) =>
  db
    .selectFrom('fleet_event')
    .select(['time', 'id'])
    .$call(
      ifGiven(after, (query, last) =>
        query.where(
          row => sql<boolean>`(${row.ref('time')}, ${row.ref('id')}) < (${timeValue(last.time)}, ${last.id})`,
        ),
      ),
    )
    .orderBy('time', 'desc')
    .orderBy('id', 'desc')
    .offset(skip)
    .limit(1)
    .executeTakeFirst();
