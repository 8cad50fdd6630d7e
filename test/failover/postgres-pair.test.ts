/** The pair itself: what a failover loses and keeps is decided by replication, and the other tests build on that. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { until } from '../fleet-process.fixture.ts';
import { type PairOptions, type PostgresPair, startPostgresPair } from './postgres-pair.fixture.ts';

const insert = async ({ database }: PostgresPair, n: number): Promise<void> => {
  await database.query('INSERT INTO committed (n) VALUES ($1)', [n]);
};

const committed = async ({ database }: PostgresPair): Promise<number[]> => {
  const rows = await database.query<{ n: number }>('SELECT n FROM committed ORDER BY n');
  return rows.map(({ n }) => n);
};

const startPair = async (options: PairOptions): Promise<PostgresPair> => {
  const pair = await startPostgresPair(options);
  await pair.database.query('CREATE TABLE committed (n int PRIMARY KEY)');
  return pair;
};

test('asynchronous: a failover loses the commits of a pause in replication, and no other', async () => {
  await using pair = await startPair({ synchronous: false });
  await insert(pair, 1);
  await pair.pauseReplication();
  await insert(pair, 2);
  await pair.primary().kill();
  await expect(insert(pair, 3)).rejects.toThrow();
  await pair.failOver();
  expect(await committed(pair)).toEqual([1]);
  await insert(pair, 4);

  await pair.rebuildStandby();
  await insert(pair, 5);
  await pair.switchOver();
  expect(pair.primary().name).toBe('a');
  expect(await committed(pair)).toEqual([1, 4, 5]);
});

test('synchronous: a commit waits while replication is cut off, and a failover keeps every answered one', async () => {
  await using pair = await startPair({ synchronous: true });
  await insert(pair, 1);
  pair.replication.setRefusing(true);
  let isAnswered = false;
  const waiting = insert(pair, 2).then(() => {
    isAnswered = true;
  });
  const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;
  await until(async () => (await pair.primary().query(waits)).length === 1, 'a commit waits');
  expect(isAnswered).toBe(false);
  pair.replication.setRefusing(false);
  await waiting;
  await pair.primary().kill();
  await pair.failOver();
  expect(await committed(pair)).toEqual([1, 2]);
});

test('a frozen primary answers nothing and keeps its connections, and continues when it is thawed', async () => {
  await using pair = await startPair({ synchronous: false });
  await pair.primary().freeze();
  let isAnswered = false;
  const waiting = insert(pair, 1).then(() => {
    isAnswered = true;
  });
  await until(async () => pair.clients.openCount() > 0, 'the client is connected');
  expect(isAnswered).toBe(false);
  await pair.primary().thaw();
  await waiting;
  expect(await committed(pair)).toEqual([1]);
});

test('a pooler keeps a client through a failover: its next transaction is at the other server, and one that was open is cut', async () => {
  await using pair = await startPair({ synchronous: false, clientsThrough: 'pooler' });
  const [idle, busy] = [1, 2].map(() => new pg.Client({ connectionString: pair.database.connection }));
  for (const client of [idle!, busy!]) {
    client.on('error', () => undefined);
    await client.connect();
    await client.query('INSERT INTO committed (n) SELECT count(*) FROM committed');
  }
  await busy!.query('BEGIN');
  const where = 'SELECT current_setting($1) AS port';
  const portOf = async (client: pg.Client) => Number((await client.query(where, ['port'])).rows[0].port);
  expect(await portOf(idle!)).toBe(pair.primary().port);
  await pair.switchOver();
  expect(await portOf(idle!)).toBe(pair.primary().port);
  expect(await committed(pair)).toEqual([0, 1]);
  await expect(busy!.query('COMMIT')).rejects.toThrow();
  await idle!.end();
});
