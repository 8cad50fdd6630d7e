/**
 * PostgreSQL servers of a test's own, on loopback: a primary, and standbys that follow it.
 *
 *     const primary = await startPostgresServer(directory);
 *     const standby = await startStandby(primary);   // the primary restarts once: its directory is copied cold
 *
 * Whoever connects from this machine is trusted.
 */
import { once } from 'node:events';
import { cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../src/fleet/embedded-postgres/embedded-postgres.ts';
import { EMBEDDED_USER } from '../src/fleet/embedded-postgres/initialize-database.ts';
import { silentLogger } from '../src/lib/log.ts';

type Settings = Readonly<Record<string, string | number>>;

export type PostgresServer = {
  readonly port: number;
  /** Over TCP. */
  readonly url: (database?: string) => string;
  /** `127.0.0.1:port`, for URLs with several hosts. */
  readonly host: string;
  readonly directory: string;
  readonly query: <Row>(sql: string) => Promise<Row[]>;
  /** As a crash: nothing is written any more. */
  readonly kill: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

const ACCESS =
  'local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n';

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** @param directory with the database in `data`, if it is not a new one */
export const startPostgresServer = async (
  settings: Settings = {},
  directory?: string,
): Promise<PostgresServer> => {
  const home = directory ?? (await mkdtemp(join(tmpdir(), 'tuf-depot-pg-')));
  const access = join(home, 'access.conf');
  await writeFile(access, ACCESS, { mode: 0o644 });
  const port = await freePort();
  let running: EmbeddedPostgres | undefined;
  const start = async () => {
    running ??= await startEmbeddedPostgres({
      dataDirectory: home,
      fsync: false,
      log: silentLogger,
      signal: new AbortController().signal,
      settings: { listen_addresses: '127.0.0.1', port, hba_file: access, wal_keep_size: '64MB', ...settings },
    });
  };
  const stop = async () => {
    await running?.[Symbol.asyncDispose]();
    running = undefined;
  };
  await start();
  const url = (database = 'postgres') => `postgresql://${EMBEDDED_USER}@127.0.0.1:${port}/${database}`;
  return {
    port,
    url,
    host: `127.0.0.1:${port}`,
    directory: home,
    start,
    stop,
    async kill() {
      if (running !== undefined) process.kill(running.pid, 'SIGQUIT');
      await stop();
    },
    async query<Row>(sql: string) {
      const client = new pg.Client({ connectionString: url() });
      await client.connect();
      try {
        return (await client.query(sql)).rows as Row[];
      } finally {
        await client.end();
      }
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(home, { recursive: true, force: true });
    },
  };
};

/** @param name what the primary calls it, for `synchronous_standby_names` */
export const startStandby = async (primary: PostgresServer, name = 'standby'): Promise<PostgresServer> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-standby-'));
  await primary.stop();
  await cp(await realpath(join(primary.directory, 'data')), join(directory, 'data'), { recursive: true });
  await primary.start();
  await writeFile(join(directory, 'data', 'standby.signal'), '');
  const connection = `host=127.0.0.1 port=${primary.port} user=${EMBEDDED_USER} application_name=${name}`;
  return await startPostgresServer({ primary_conninfo: connection }, directory);
};

/** Makes a standby the primary; the old one has to be gone. */
export const promote = async (standby: PostgresServer): Promise<void> => {
  await standby.query('SELECT pg_promote(true, 60)');
};
