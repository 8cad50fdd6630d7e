/** A Nexus's connections over a primary and a standby: which one they use, and what they make of a failover. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TrustRootId } from '../src/core/ids.ts';
import { seededRng } from '../src/core/rng.ts';
import { systemClock } from '../src/lib/clock.ts';
import { silentLogger } from '../src/lib/log.ts';
import { newId, wait } from '../src/nexus/datastore/conformance/records.fixture.ts';
import { migrateDatabase, migrateWhenAvailable } from '../src/nexus/datastore/migrate.ts';
import { createPgDatastore } from '../src/nexus/datastore/pg-datastore.ts';
import { SCHEMA_VERSION } from '../src/nexus/datastore/schema-version.ts';
import { waitForDatabase } from '../src/nexus/datastore/wait-for-database.ts';
import {
  type PostgresServer,
  promote,
  startPostgresServer,
  startStandby,
} from './postgres-server.fixture.ts';

const log = silentLogger;
const open = (connection: string) =>
  createPgDatastore({ connection, log, clock: systemClock, rng: seededRng(1), ...wait });
const urlOf = (...servers: readonly PostgresServer[]) =>
  `postgresql://tuf_depot@${servers.map(({ host }) => host).join(',')}/postgres?target_session_attrs=read-write`;
const newRoot = () => ({ id: newId(TrustRootId), rootBytes: Buffer.from('{}') });

describe('a database with a standby', () => {
  const stack = new AsyncDisposableStack();
  let primary: PostgresServer;
  let standby: PostgresServer;
  beforeAll(async () => {
    primary = stack.use(await startPostgresServer());
    await migrateDatabase({ connection: primary.url(), log, ...wait });
    standby = stack.use(await startStandby(primary));
  });
  afterAll(() => stack.disposeAsync());

  test('is used at the first host that accepts writes, whatever their order', async () => {
    for (const url of [urlOf(standby, primary), urlOf(primary, standby)]) {
      await using datastore = await open(url);
      const root = newRoot();
      expect(await datastore.trustRootInsert(root, wait)).toMatchObject({ id: root.id });
    }
  });

  test('reports the standbys that commits wait for, and the number of standbys, to an unprivileged user too', async () => {
    await primary.query('CREATE ROLE plain LOGIN');
    await primary.query('GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain');
    for (const user of ['tuf_depot', 'plain']) {
      await using datastore = await open(`postgresql://${user}@${primary.host}/postgres`);
      const followed = async () => (await datastore.commitDurability(wait))?.standbys === 1;
      while (!(await followed())) await systemClock.sleep(20, wait);
      expect(await datastore.commitDurability(wait)).toEqual({
        synchronousCommit: 'on',
        synchronousStandbys: '',
        standbys: 1,
      });
    }
  });

  test('is unavailable through the standby alone, and the reason names the standby', async () => {
    await expect(open(standby.url())).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      status: 503,
      cause: expect.objectContaining({ message: 'the server is a standby, or accepts no writes' }),
    });
    await expect(migrateDatabase({ connection: standby.url(), log, ...wait })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
  });

  test('is waited for at a standby by a Nexus that starts and by db migrate, and used when the standby has become the primary', async () => {
    const reasons: string[] = [];
    const waiting = Promise.withResolvers<void>();
    const both = urlOf(standby, primary);
    await using running = await open(both);
    const before = newRoot();
    await running.trustRootInsert(before, wait);
    const opening = waitForDatabase(
      () => open(standby.url()),
      {
        clock: systemClock,
        rng: seededRng(2),
        log,
        waitsFor(reason) {
          reasons.push(reason);
          waiting.resolve();
        },
      },
      wait,
    );
    const migrated = migrateWhenAvailable({
      connection: standby.url(),
      log,
      clock: systemClock,
      waitsFor: () => undefined,
      ...wait,
    });
    await waiting.promise;
    expect(reasons[0]).toContain('standby');

    const { lsn } = (await primary.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn'))[0]!;
    const replayed = async () =>
      (await standby.query<{ done: boolean }>(`SELECT pg_last_wal_replay_lsn() >= '${lsn}' AS done`))[0]!
        .done;
    while (!(await replayed())) await systemClock.sleep(20, wait);
    await primary.kill();
    await expect(running.currentGeneration(wait)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await promote(standby);

    await using opened = await opening;
    expect(await opened.trustRootGet(before.id, wait)).toMatchObject({ id: before.id });
    const after = newRoot();
    expect(await running.trustRootInsert(after, wait)).toMatchObject({ id: after.id });
    expect(await migrated).toEqual({ from: SCHEMA_VERSION, to: SCHEMA_VERSION });
  });
});

test('a commit whose wait for a synchronous standby is cancelled does not count as durable: it waits again', async () => {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(await startPostgresServer());
  await migrateDatabase({ connection: primary.url(), log, ...wait });
  const standby = stack.use(await startStandby(primary, 'other'));
  await primary.query("ALTER SYSTEM SET synchronous_standby_names = 'other'");
  await primary.query('SELECT pg_reload_conf()');
  const datastore = stack.use(await open(primary.url()));
  await datastore.trustRootInsert(newRoot(), wait);
  await standby.stop();

  const root = newRoot();
  let settled = false;
  const inserted = datastore.trustRootInsert(root, wait).finally(() => {
    settled = true;
  });
  const waiting = async (sql = ''): Promise<number | undefined> =>
    (
      await primary.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' ${sql}`,
      )
    )[0]?.pid;
  const until = async (probe: () => Promise<number | undefined>): Promise<number> => {
    for (;;) {
      const found = await probe();
      if (found !== undefined) return found;
      await systemClock.sleep(5, wait);
    }
  };
  await primary.query(`SELECT pg_cancel_backend(${await until(waiting)})`);
  // The repetition finds its row, and still waits.
  const committed = `(SELECT time_created FROM tuf_trust_root WHERE id = '${root.id}')`;
  await until(() => waiting(`AND xact_start > ${committed}`));
  expect(settled).toBe(false);
  await standby.start();
  expect(await inserted).toMatchObject({ id: root.id });
});
