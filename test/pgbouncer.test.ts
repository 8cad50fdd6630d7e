/** The datastore over PgBouncer in transaction mode, where a session keeps nothing from one transaction to the next. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRng } from '../src/core/rng.ts';
import { systemClock } from '../src/lib/clock.ts';
import { silentLogger } from '../src/lib/log.ts';
import { EMBEDDED_USER } from '../src/local-fleet/embedded-postgres/initialize-database.ts';
import { everyRule } from '../src/nexus/datastore/conformance/every-rule.fixture.ts';
import { wait } from '../src/nexus/datastore/conformance/records.fixture.ts';
import { createTestDatabase, testServer } from '../src/nexus/datastore/database.fixture.ts';
import { requireDatabaseTarget } from '../src/nexus/datastore/database-url.ts';
import { migrateDatabase } from '../src/nexus/datastore/migrate.ts';
import { createPgDatastore } from '../src/nexus/datastore/pg-datastore.ts';
import { SCHEMA_VERSION } from '../src/nexus/datastore/schema-version.ts';
import { type PgBouncer, pgBouncerIsInstalled, startPgBouncer } from './pgbouncer.fixture.ts';
import { startPostgresServer } from './postgres-server.fixture.ts';

const installed = pgBouncerIsInstalled();
if (!installed)
  process.stderr.write('skipped: tests of a pooler (test/pgbouncer.test.ts): pgbouncer is not installed\n');

const log = silentLogger;
const open = (connection: string) =>
  createPgDatastore({ connection, log, clock: systemClock, rng: seededRng(1), ...wait });

describe.skipIf(!installed)('over PgBouncer in transaction mode', () => {
  let pooler: PgBouncer;
  beforeAll(async () => {
    const { hosts, user, password } = requireDatabaseTarget((await testServer()).connection);
    const login = password === undefined ? `user=${user}` : `user=${user} password='${password}'`;
    pooler = await startPgBouncer(`host=${hosts[0]?.host} port=${hosts[0]?.port} ${login}`);
  });
  afterAll(() => pooler?.[Symbol.asyncDispose]());

  everyRule(async () => {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await createTestDatabase());
    const { database: name } = requireDatabaseTarget(database.connection);
    const datastore = stack.use(await open(pooler.url(name)));
    const owned = stack.move();
    return { datastore, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  });

  test('an empty database is migrated', async () => {
    await using database = await createTestDatabase({ migrated: false });
    const connection = pooler.url(requireDatabaseTarget(database.connection).database);
    expect(await migrateDatabase({ connection, log, ...wait })).toEqual({ from: 0, to: SCHEMA_VERSION });
  });

  test('a session behind which the server became a standby is closed, and the primary is used when it is back', async () => {
    await using server = await startPostgresServer();
    await migrateDatabase({ connection: server.url(), log, ...wait });
    await using own = await startPgBouncer(`host=127.0.0.1 port=${server.port} user=${EMBEDDED_USER}`);
    await using datastore = await open(own.url('postgres'));
    await datastore.currentGeneration(wait);
    const standbySignal = join(server.directory, 'data', 'standby.signal');
    await server.stop();
    await writeFile(standbySignal, '');
    await server.start();
    await expect(datastore.currentGeneration(wait)).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      retry: 'backoff',
    });
    await server.stop();
    await rm(standbySignal);
    await server.start();
    expect((await datastore.currentGeneration(wait)).generation).toBe(1);
  });
});
