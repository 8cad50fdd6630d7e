/**
 * Two PostgreSQL servers with streaming replication, and the test in the place of a failover manager.
 *
 *     Nexuses ─▶ clients (proxy) ─▶ primary ◀─ replication (proxy) ◀─ standby
 *
 * PP1. With `synchronous`, a commit is answered when the standby has applied it; without, when the primary has it.
 * PP2. Servers have names, `a` and `b`. Which one is the primary changes with `failOver` and `switchOver`; `clients`
 *      follows, unless the test wants to move it itself.
 * PP3. Everything is below one directory with the process id of the test in its name, which is removed with the pair. The next
 *      test removes the directories and processes that a killed test left behind.
 */
import { randomBytes } from 'node:crypto';
import { silentLogger } from '../../src/lib/log.ts';
import type { TestDatabase } from '../../src/nexus/datastore/database.fixture.ts';
import { migrateDatabase } from '../../src/nexus/datastore/migrate.ts';
import { until } from '../fleet-process.fixture.ts';
import { createMovingProxy, type MovingProxy } from './moving-proxy.fixture.ts';
import { createPooler } from './pooler.fixture.ts';
import { queryOnce } from './postgres-program.fixture.ts';
import { createPostgresServer, type PostgresServer } from './postgres-server.fixture.ts';
import { makeTestDirectory } from './test-directory.fixture.ts';

export type PostgresPair = {
  /** Through `clients`; migrated. */
  readonly database: Pick<TestDatabase, 'connection' | 'query'>;
  readonly clients: MovingProxy;
  readonly replication: MovingProxy;
  readonly primary: () => PostgresServer;
  readonly standby: () => PostgresServer;
  /** From its return on the standby receives no commit. Only without `synchronous`: commits would wait for it. */
  readonly pauseReplication: () => Promise<void>;
  readonly resumeReplication: () => Promise<void>;
  /**
   * Promotes the standby, whatever the state of the primary; then moves `clients` to it, and cuts them. With `keep` they are
   * not cut, and stay connected to the old primary.
   */
  readonly failOver: (clients?: 'cut' | 'keep') => Promise<void>;
  /** Shuts the primary down, promotes the standby, and makes the old primary follow it. */
  readonly switchOver: () => Promise<void>;
  /**
   * After `failOver`: the old primary is killed and becomes a standby by a new base backup. Commits wait for it from then
   * on if they did before, or with `synchronous`.
   */
  readonly rebuildStandby: (how?: 'synchronous') => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export type PairOptions = {
  /** PP1. */
  readonly synchronous: boolean;
  /**
   * A pooler hides a failover from its clients (pooler.fixture.ts). With `hosts` nothing is moved: the clients know both
   * servers, and find the one that accepts writes.
   */
  readonly clientsThrough?: 'proxy' | 'pooler' | 'hosts';
};

export const startPostgresPair = async ({
  synchronous,
  clientsThrough = 'proxy',
}: PairOptions): Promise<PostgresPair> => {
  await using undo = new AsyncDisposableStack();
  const directory = undo.use(await makeTestDirectory());
  const password = randomBytes(16).toString('hex');
  const create = async (name: string) =>
    undo.use(await createPostgresServer({ name, directory: directory.path, password }));
  let [primary, standby] = [await create('a'), await create('b')];
  await primary.initialize();
  await primary.start();
  const createClients = clientsThrough === 'pooler' ? createPooler : createMovingProxy;
  const clients = undo.use(await createClients(primary.port));
  const replication = undo.use(await createMovingProxy(primary.port));
  for (const server of [primary, standby])
    await server.configure({ primary_conninfo: server.connectionInfo(replication.port, server.name) });

  /** Each server, as primary, waits for the other one once that follows it. */
  const followed = async (isWaitedFor = synchronous): Promise<void> => {
    replication.pointAt(primary.port);
    await until(() => isStreaming(primary, standby), `${standby.name} follows ${primary.name}`);
    if (!isWaitedFor) return;
    await primary.configure({ synchronous_standby_names: standby.name, synchronous_commit: 'remote_apply' });
    await until(() => isStreaming(primary, standby, 'sync'), `${primary.name} waits for ${standby.name}`);
  };
  const exchange = () => {
    [primary, standby] = [standby, primary];
    replication.pointAt(primary.port);
  };
  await standby.copyFrom(primary);
  await standby.start();
  await followed();
  const isDirect = clientsThrough === 'hosts';
  const connection = isDirect ? urlOfBoth(primary, standby) : primary.url(clients.port);
  const signal = new AbortController().signal;
  await migrateDatabase({ connection, log: silentLogger, signal });
  const owned = undo.move();
  return {
    database: {
      connection,
      query: (sql, values) => (isDirect ? primary.query(sql, values) : queryOnce(connection, sql, values)),
    },
    clients,
    replication,
    primary: () => primary,
    standby: () => standby,
    async pauseReplication() {
      await until(() => hasEverything(primary, standby), `${standby.name} has everything`);
      replication.setRefusing(true);
      await until(async () => !(await isStreaming(primary, standby)), `${standby.name} is cut off`);
    },
    async resumeReplication() {
      replication.setRefusing(false);
      await until(() => isStreaming(primary, standby), `${standby.name} follows again`);
    },
    async failOver(connections = 'cut') {
      await standby.configure({ synchronous_standby_names: '' });
      await standby.promote();
      exchange();
      clients.pointAt(primary.port);
      if (connections === 'cut') clients.cut();
    },
    async switchOver() {
      await primary.stop();
      await standby.configure({ synchronous_standby_names: '' });
      await standby.promote();
      exchange();
      clients.pointAt(primary.port);
      clients.cut();
      await standby.becomeStandby();
      await standby.start();
      await followed();
    },
    async rebuildStandby(how) {
      replication.setRefusing(false);
      await standby.kill();
      await standby.copyFrom(primary);
      await standby.start();
      await followed(synchronous || how === 'synchronous');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

const urlOfBoth = (one: PostgresServer, other: PostgresServer): string =>
  one
    .url()
    .replace(`:${one.port}/`, `:${one.port},127.0.0.1:${other.port}/`)
    .concat('?target_session_attrs=read-write');

type Follower = { readonly state: string; readonly sync_state: string; readonly behind: string };

const followerOf = async (
  primary: PostgresServer,
  standby: PostgresServer,
): Promise<Follower | undefined> => {
  const rows = await primary.query<Follower>(
    `SELECT state, sync_state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS behind
     FROM pg_stat_replication WHERE application_name = $1`,
    [standby.name],
  );
  return rows[0];
};

const isStreaming = async (
  primary: PostgresServer,
  standby: PostgresServer,
  sync?: 'sync',
): Promise<boolean> => {
  const follower = await followerOf(primary, standby);
  return follower?.state === 'streaming' && (sync === undefined || follower.sync_state === sync);
};

const hasEverything = async (primary: PostgresServer, standby: PostgresServer): Promise<boolean> =>
  Number((await followerOf(primary, standby))?.behind) === 0;
