/** The soak's own PostgreSQL, which can be ended without a word to its clients, and brought back under the same URL. */
import pg from 'pg';
import { silentLogger } from '../../src/lib/log.ts';
import { startEmbeddedPostgres } from '../../src/local-fleet/embedded-postgres/embedded-postgres.ts';
import type { TestDatabase } from '../../src/nexus/datastore/database.fixture.ts';
import { migrateDatabase } from '../../src/nexus/datastore/migrate.ts';

export type SoakDatabase = Pick<TestDatabase, 'connection' | 'query'> &
  AsyncDisposable & {
    readonly pid: () => number;
    /** PostgreSQL's immediate shutdown: every connection is cut, and the next start recovers from the log. */
    readonly crash: () => Promise<void>;
    readonly start: () => Promise<void>;
  };

/** With fsync: what it acknowledged has to be there after a crash. */
export const startSoakDatabase = async (dataDirectory: string): Promise<SoakDatabase> => {
  const options = { log: silentLogger, signal: new AbortController().signal };
  const open = () => startEmbeddedPostgres({ dataDirectory, ...options });
  let server = await open();
  const { connection } = server;
  await migrateDatabase({ connection, ...options });
  return {
    connection,
    async query<Row>(sql: string, values: readonly unknown[] = []) {
      const client = new pg.Client({ connectionString: connection });
      await client.connect();
      try {
        return (await client.query(sql, [...values])).rows as Row[];
      } finally {
        await client.end();
      }
    },
    pid: () => server.pid,
    async crash() {
      process.kill(server.pid, 'SIGQUIT');
      await server.gone(options);
      // Releases the directory, which this process still owns.
      await server[Symbol.asyncDispose]();
    },
    async start() {
      server = await open();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};
