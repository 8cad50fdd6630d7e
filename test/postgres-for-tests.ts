/**
 * One database server for a run of the tests: the embedded PostgreSQL, started when the first test asks for it (most
 * runs ask for none), or the one that TUF_DEPOT_TEST_DATABASE_URL names.
 *
 * Test files run in processes of their own, so they ask over a socket; the answer is the server, or an error.
 * In PostgreSQL a migrated database waits as a template: copying it is a fraction of migrating another.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { messageChain } from '../src/lib/errors.ts';
import { silentLogger } from '../src/lib/log.ts';
import { startEmbeddedPostgres } from '../src/local-fleet/embedded-postgres/embedded-postgres.ts';
import { migrateDatabase } from '../src/nexus/datastore/migrate.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    testServerPort: number;
  }
}

/** A URL of a database in which its user may make others. */
const SERVER_VARIABLE = 'TUF_DEPOT_TEST_DATABASE_URL';

export type TestServer = {
  /** A URL of a database that is always there. */
  readonly connection: string;
  /** Whether it is PostgreSQL, with its catalog and its own statements. */
  readonly isPostgres: boolean;
  /** The database to copy; absent where an engine copies none. */
  readonly template: string | undefined;
};

export type ServerAnswer = TestServer | { readonly error: string };

/** The URL of another database of the same server. */
export const databaseUrl = (connection: string, name: string): string =>
  connection.replace(/^(\w+:\/\/[^/?]*)(\/[^?]*)?/, `$1/${name}`);

type Started = TestServer & AsyncDisposable;

const startEmbedded = async (signal: AbortSignal): Promise<Started> => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-test-pg-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const postgres = stack.use(
    await startEmbeddedPostgres({ dataDirectory: directory, fsync: false, log: silentLogger, signal }),
  );
  const template = await makeTemplate(postgres.connection, signal);
  const owned = stack.move();
  return {
    connection: postgres.connection,
    isPostgres: true,
    template,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** Nothing of this run is left in a server that was there before. */
const useServer = async (connection: string, signal: AbortSignal): Promise<Started> => {
  const [row] = await queryOnce<{ version: string }>(connection, 'SELECT version() AS version');
  const isPostgres = row?.version.startsWith('PostgreSQL') ?? false;
  process.stderr.write(`tests run on ${row?.version}\n`);
  const template = isPostgres ? await makeTemplate(connection, signal) : undefined;
  return {
    connection,
    isPostgres,
    template,
    async [Symbol.asyncDispose]() {
      if (template !== undefined) await queryOnce(connection, `DROP DATABASE ${template}`);
    },
  };
};

const makeTemplate = async (connection: string, signal: AbortSignal): Promise<string> => {
  const template = `tuf_depot_template_${randomUUID().replaceAll('-', '')}`;
  await queryOnce(connection, `CREATE DATABASE ${template}`);
  await migrateDatabase({ connection: databaseUrl(connection, template), log: silentLogger, signal });
  return template;
};

export const queryOnce = async <Row>(
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

export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const aborter = new AbortController();
  const { signal } = aborter;
  const named = process.env[SERVER_VARIABLE];
  let started: Promise<Started> | undefined;

  const server = createServer(socket => {
    socket.on('error', () => undefined);
    started ??= named === undefined ? startEmbedded(signal) : useServer(named, signal);
    const answer = (value: ServerAnswer) => socket.end(JSON.stringify(value));
    started.then(answer, error => answer({ error: messageChain(error) }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  project.provide('testServerPort', (server.address() as AddressInfo).port);

  return async () => {
    server.close();
    aborter.abort();
    const running = await started?.catch(() => undefined);
    await running?.[Symbol.asyncDispose]();
  };
};
