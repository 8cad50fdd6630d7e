/** Yesterday's backup of the whole database, kept in a schema of its own, and restored as it was. */
import type { TestFleet } from '../process-fleet.fixture.ts';

type Database = TestFleet['database'];

const tablesOf = async (database: Database): Promise<string[]> =>
  (
    await database.query<{ tablename: string }>(
      `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`,
    )
  ).map(({ tablename }) => tablename);

export const keepBackup = async (database: Database): Promise<void> => {
  await database.query('CREATE SCHEMA yesterday');
  for (const table of await tablesOf(database))
    await database.query(`CREATE TABLE yesterday.${table} AS SELECT * FROM public.${table}`);
};

/** Every Nexus has to be stopped. */
export const restoreBackup = async (database: Database): Promise<void> => {
  const tables = await tablesOf(database);
  await database.query(
    [
      'SET session_replication_role = replica', // in any order, as a restore does
      `TRUNCATE ${tables.join(', ')}`,
      ...tables.map(table => `INSERT INTO ${table} SELECT * FROM yesterday.${table}`),
    ].join('; '),
  );
};
