import { sql } from 'kysely';
import type { Database } from './tables.ts';

/** When this transaction began, by the database's clock. */
export const databaseNow = sql<number>`now()`;

/** The same, as an answer of its own. */
export const readDatabaseMs = async (db: Database): Promise<number> => {
  const { now } = await db.selectNoFrom(databaseNow.as('now')).executeTakeFirstOrThrow();
  return now;
};
