import { sql } from 'kysely';

/** When this transaction began, by the database's clock. */
export const databaseNow = sql<number>`now()`;
