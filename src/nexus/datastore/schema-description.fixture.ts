import type { TestDatabase } from './database.fixture.ts';

/**
 * A schema as text: columns, constraints, indexes, and the rows of a new database. For engines other than PostgreSQL,
 * constraints and indexes are left out, because their catalogs may name these differently each time.
 */
export const describeSchema = async (database: TestDatabase) => ({
  columns: await database.query(`
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2`),
  ...(database.isPostgres ? await describeCatalog(database) : {}),
  current: await database.query('SELECT * FROM tuf_current_point'),
  points: await database.query('SELECT generation, digest, origin, ordered_by, sled_id FROM tuf_point'),
  version: await database.query('SELECT singleton, version FROM schema_version'),
  targets: await database.query('SELECT generation, tuf_repo_id FROM target_release'),
});

const describeCatalog = async (database: TestDatabase) => ({
  constraints: await database.query(`
    SELECT conrelid::regclass::text AS table_name, conname, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2`),
  indexes: await database.query(
    `SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2`,
  ),
});

/** One statement after the other: not every engine accepts schema and rows in one transaction. */
export const runStatements = async (database: TestDatabase, file: string): Promise<void> => {
  const statements = file.replaceAll(/^--.*$/gm, '').split(/;\s*$/m);
  for (const statement of statements) if (statement.trim() !== '') await database.query(statement);
};
