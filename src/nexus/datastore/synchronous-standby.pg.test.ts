/** What is recorded where a synchronous standby has to confirm each commit: a server of its own, whose standby is away. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { startEmbeddedPostgres } from '../../local-fleet/embedded-postgres/embedded-postgres.ts';
import { insertTrustRoot, uploadOf, wait } from './conformance/records.fixture.ts';
import { migrateDatabase } from './migrate.ts';
import { createPgDatastore } from './pg-datastore.ts';

const PATIENCE = { timeout: 50_000 };
const COMMITS_THAT_WAIT = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

test('a release that is found recorded is not reported before the standby has it: the repetition of an insert writes (P4)', async () => {
  await using stack = new AsyncDisposableStack();
  const dataDirectory = await mkdtemp(join(tmpdir(), 'tuf-depot-pg-'));
  stack.defer(() => rm(dataDirectory, { recursive: true, force: true }));
  const server = stack.use(await startEmbeddedPostgres({ dataDirectory, log: silentLogger, ...wait }));
  const { connection } = server;
  await migrateDatabase({ connection, log: silentLogger, ...wait });
  const datastore = stack.use(
    await createPgDatastore({
      ...{ connection, log: silentLogger, clock: systemClock, rng: seededRng(1) },
      ...wait,
    }),
  );
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: connection });
    await client.connect();
    stack.defer(() => client.end());
    return client;
  };
  const [admin, probe] = [await connect(), await connect()];
  const waiting = async (): Promise<number> => (await admin.query(COMMITS_THAT_WAIT)).rows.length;
  await probe.query('CREATE TABLE probe (written int)');
  const trustRoot = await insertTrustRoot(datastore);
  const release = uploadOf(trustRoot, '1.0.0', ['a']);
  const recorded = await datastore.releaseInsert(release, wait);

  await admin.query("ALTER SYSTEM SET synchronous_standby_names = 'away'");
  await admin.query('SELECT pg_reload_conf()');
  // The server takes the setting when it gets round to it: a commit that waits shows that it has.
  let write: Promise<void> | undefined;
  const isTaken = async (): Promise<number> => {
    write ??= probe.query('INSERT INTO probe VALUES (1)').then(() => {
      write = undefined;
    });
    return waiting();
  };
  await expect.poll(isTaken, PATIENCE).toBe(1);
  let repeated: unknown;
  const repetition = datastore.releaseInsert(release, wait).then(outcome => {
    repeated = outcome;
  });
  await expect.poll(waiting, PATIENCE).toBe(2);
  expect(repeated).toBeUndefined();

  await admin.query('ALTER SYSTEM RESET synchronous_standby_names');
  await admin.query('SELECT pg_reload_conf()');
  await Promise.all([repetition, write]);
  expect(repeated).toEqual(recorded);
});
