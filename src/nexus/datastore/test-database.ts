/**
 * Databases for tests, in the one embedded PostgreSQL of a run (test/postgres-for-tests.ts).
 *
 *     const database = await createTestDatabase();          // empty and migrated, this test file's own
 *     const datastore = await database.openDatastore();     // as many as there are Nexus instances in the test
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { inject } from 'vitest';
import { databaseUrl, MIGRATED_TEMPLATE, type PostgresAnswer } from '../../../test/postgres-for-tests.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Datastore } from './datastore.ts';
import { createPgDatastore } from './pg-datastore.ts';

export type TestDatabase = {
  /** A URL, for `createPgDatastore` and for processes that a test starts. */
  readonly connection: string;
  /** A datastore over it; closed with the database at the latest. */
  readonly openDatastore: () => Promise<Datastore>;
  /** Runs SQL behind the datastore's back. */
  readonly query: <Row>(sql: string, values?: readonly unknown[]) => Promise<Row[]>;
  /** Closes its datastores and removes it. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** @param options.migrated false for a database without any table */
export const createTestDatabase = async (options: { migrated?: boolean } = {}): Promise<TestDatabase> => {
  const server = await serverConnection();
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const template = options.migrated === false ? 'template0' : MIGRATED_TEMPLATE;
  await queryOnce(server, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    await queryOnce(server, `DROP DATABASE ${name} WITH (FORCE)`);
  });
  const connection = databaseUrl(server, name);
  const signal = new AbortController().signal;
  const owned = stack.move();
  let opened = 0;
  return {
    connection,
    async openDatastore() {
      opened += 1;
      const rng = seededRng(opened);
      return owned.use(
        await createPgDatastore({ connection, log: silentLogger, clock: systemClock, rng, signal }),
      );
    },
    query: (sql, values) => queryOnce(connection, sql, values),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** The URL of the run's server, which the first caller starts. */
export const serverConnection = async (): Promise<string> => {
  const socket = connect(inject('postgresPort'), '127.0.0.1');
  const answer = JSON.parse(await text(socket)) as PostgresAnswer;
  if ('error' in answer) throw new Error(answer.error);
  return answer.connection;
};

const queryOnce = async <Row>(
  connection: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: connection });
  await client.connect();
  try {
    return (await client.query(sql, [...values])).rows as Row[];
  } finally {
    await client.end();
  }
};
