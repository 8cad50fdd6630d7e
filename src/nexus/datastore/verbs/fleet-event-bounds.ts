import { sql } from 'kysely';
import type { Datastore } from '../datastore.ts';
import type { Transactions } from '../transactions.ts';

/** Walks the index over time once, `keepCount` entries far: asked for rarely, not at each write. */
export const fleetEventBounds =
  (transactions: Transactions): Datastore['fleetEventBounds'] =>
  (keepCount, wait) =>
    transactions.read(
      'fleet_event_bounds',
      async db => {
        const { rows } = await sql<{ now: number }>`SELECT now() AS now`.execute(db);
        const beyond = await db
          .selectFrom('fleet_event')
          .select('time')
          .orderBy('time', 'desc')
          .orderBy('id', 'desc')
          .offset(keepCount)
          .limit(1)
          .executeTakeFirst();
        return { databaseMs: rows[0]!.now, beyondMs: beyond?.time ?? null };
      },
      wait,
    );
