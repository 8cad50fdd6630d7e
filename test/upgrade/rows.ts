/** The rows of a database as SQL: one statement for each table, one line for each row. */
import pg from 'pg';

const TABLES = `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`;

export const dumpRows = async (connectionString: string): Promise<string> => {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const statements = ['SET session_replication_role = replica; -- in any order, as a restore does'];
    const { rows: tables } = await client.query<{ tablename: string }>(TABLES);
    for (const { tablename } of tables) {
      const { rows } = await client.query<{ row: string }>(
        `SELECT row_to_json(each)::text AS row FROM ${tablename} AS each ORDER BY 1`,
      );
      // What the schema itself puts in is replaced.
      statements.push(`DELETE FROM ${tablename};`);
      if (rows.length > 0)
        statements.push(
          insertStatement(
            tablename,
            rows.map(({ row }) => row),
          ),
        );
    }
    return `${statements.join('\n')}\n`;
  } finally {
    await client.end();
  }
};

const insertStatement = (table: string, rows: readonly string[]): string =>
  `INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, '[\n${rows
    .join(',\n')
    .replaceAll("'", "''")}\n]');`;

export const runStatements = async (
  connectionString: string,
  ...statements: readonly string[]
): Promise<void> => {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    for (const sql of statements) await client.query(sql);
  } finally {
    await client.end();
  }
};
