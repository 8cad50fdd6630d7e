/**
 * One embedded PostgreSQL for a run of the tests, started when the first test asks for it: most runs ask for none.
 *
 * Test files run in processes of their own, so they ask over a socket; the answer is the server's URL, or an error.
 * A migrated database waits in the server as a template: copying it is a fraction of migrating another.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../src/fleet/embedded-postgres/embedded-postgres.ts';
import { messageChain } from '../src/lib/errors.ts';
import { silentLogger } from '../src/lib/log.ts';
import { migrateDatabase } from '../src/nexus/datastore/migrate.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgresPort: number;
  }
}

export const MIGRATED_TEMPLATE = 'migrated_template';

/** The URL of another database of the same server. */
export const databaseUrl = (connection: string, name: string): string =>
  connection.replace('/postgres?', `/${name}?`);

export type PostgresAnswer = { readonly connection: string } | { readonly error: string };

export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const aborter = new AbortController();
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-test-pg-'));
  let started: Promise<EmbeddedPostgres> | undefined;
  const start = async () => {
    const options = { log: silentLogger, signal: aborter.signal };
    const postgres = await startEmbeddedPostgres({ dataDirectory: directory, fsync: false, ...options });
    const client = new pg.Client({ connectionString: postgres.connection });
    await client.connect();
    await client.query(`CREATE DATABASE ${MIGRATED_TEMPLATE}`);
    await client.end();
    const connection = databaseUrl(postgres.connection, MIGRATED_TEMPLATE);
    await migrateDatabase({ connection, ...options });
    return postgres;
  };

  const server = createServer(socket => {
    socket.on('error', () => undefined);
    started ??= start();
    const answer = (value: PostgresAnswer) => socket.end(JSON.stringify(value));
    started.then(
      ({ connection }) => answer({ connection }),
      error => answer({ error: messageChain(error) }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  project.provide('postgresPort', (server.address() as AddressInfo).port);

  return async () => {
    server.close();
    aborter.abort();
    const postgres = await started?.catch(() => undefined);
    await postgres?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  };
};
