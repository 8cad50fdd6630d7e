/**
 * Databases for tests, in the one server of a run (test/postgres-for-tests.ts).
 *
 *     const database = await createTestDatabase();          // empty and migrated, this test file's own
 *     const datastore = await database.openDatastore();     // as many as there are Nexus instances in the test
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { inject } from 'vitest';
import {
  databaseUrl,
  queryOnce,
  type ServerAnswer,
  type TestServer,
} from '../../../test/postgres-for-tests.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Datastore } from './datastore.ts';
import { migrateDatabase } from './migrate.ts';
import { createPgDatastore } from './pg-datastore.ts';

export type TestDatabase = {
  /** A URL, for `createPgDatastore` and for processes that a test starts. */
  readonly connection: string;
  readonly isPostgres: boolean;
  /** A datastore over it; closed with the database at the latest. */
  readonly openDatastore: () => Promise<Datastore>;
  /** Runs SQL without the datastore. */
  readonly query: <Row>(sql: string, values?: readonly unknown[]) => Promise<Row[]>;
  /** Closes its datastores and removes it. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** @param options.migrated false for a database without any table */
export const createTestDatabase = async (options: { migrated?: boolean } = {}): Promise<TestDatabase> => {
  const server = await testServer();
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const migrated = options.migrated !== false;
  const copied = server.isPostgres ? ` TEMPLATE ${(migrated && server.template) || 'template0'}` : '';
  await queryOnce(server.connection, `CREATE DATABASE ${name}${copied}`);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    await queryOnce(
      server.connection,
      `DROP DATABASE ${name} ${server.isPostgres ? 'WITH (FORCE)' : 'CASCADE'}`,
    );
  });
  const connection = databaseUrl(server.connection, name);
  const signal = new AbortController().signal;
  if (migrated && server.template === undefined)
    await migrateDatabase({ connection, log: silentLogger, signal });
  const owned = stack.move();
  let opened = 0;
  return {
    connection,
    isPostgres: server.isPostgres,
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

/** The run's server, which the first caller starts. */
export const testServer = async (): Promise<TestServer> => {
  const socket = connect(inject('testServerPort'), '127.0.0.1');
  const answer = JSON.parse(await text(socket)) as ServerAnswer;
  if ('error' in answer) throw new Error(answer.error);
  return answer;
};
