/**
 * PostgreSQL servers of a test's own, on loopback: a primary, and standbys that follow it.
 *
 *     const primary = await startPostgresServer(directory);
 *     const standby = await startStandby(primary);   // the primary restarts once: its directory is copied cold
 *
 * Connections from this machine need no password.
 */
import { once } from 'node:events';
import { chmod, chown, cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { silentLogger } from '../src/lib/log.ts';
import { chooseAccount } from '../src/local-fleet/embedded-postgres/account.ts';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../src/local-fleet/embedded-postgres/embedded-postgres.ts';
import { EMBEDDED_USER } from '../src/local-fleet/embedded-postgres/initialize-database.ts';

type Settings = Readonly<Record<string, string | number>>;

export type PostgresServer = {
  readonly port: number;
  /** Over TCP. */
  readonly url: (database?: string) => string;
  /** `127.0.0.1:port`, for URLs with several hosts. */
  readonly host: string;
  readonly directory: string;
  readonly query: <Row>(sql: string) => Promise<Row[]>;
  /** Ends it like a crash: it writes nothing more. */
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

type ServerOptions = {
  /** Of the server; `$directory` in a value is replaced by its directory. */
  readonly settings?: Settings;
  /** With the database in `data`, if it is not a new one. */
  readonly directory?: string;
  /** Instead of trust for every connection from this machine: the lines of `pg_hba.conf`. */
  readonly access?: string;
  /** Written to its directory, for it alone to read. */
  readonly files?: Readonly<Record<string, string>>;
};

export const startPostgresServer = async (options: ServerOptions = {}): Promise<PostgresServer> => {
  const home = options.directory ?? (await mkdtemp(join(tmpdir(), 'tuf-depot-pg-')));
  await writeServerFiles(home, { 'access.conf': options.access ?? ACCESS, ...options.files });
  const given = Object.entries(options.settings ?? {}).map(([name, value]) => [
    name,
    typeof value === 'string' ? value.replaceAll('$directory', home) : value,
  ]);
  const port = await freePort();
  let running: EmbeddedPostgres | undefined;
  const start = async () => {
    running ??= await startEmbeddedPostgres({
      dataDirectory: home,
      fsync: false,
      log: silentLogger,
      signal: new AbortController().signal,
      settings: {
        listen_addresses: '127.0.0.1',
        port,
        hba_file: join(home, 'access.conf'),
        wal_keep_size: '64MB',
        ...Object.fromEntries(given),
      },
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

/** Gives the files to the account of the server, if it has another one. */
const writeServerFiles = async (home: string, files: Readonly<Record<string, string>>): Promise<void> => {
  const account = await chooseAccount();
  if (account.kind === 'unprivileged') await chmod(home, 0o711);
  for (const [name, text] of Object.entries(files)) {
    const path = join(home, name);
    await writeFile(path, text, { mode: 0o600 });
    if (account.kind === 'unprivileged') await chown(path, account.uid, account.gid);
  }
};

/** @param name its name on the primary, for `synchronous_standby_names` */
export const startStandby = async (primary: PostgresServer, name = 'standby'): Promise<PostgresServer> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-standby-'));
  await primary.stop();
  await cp(await realpath(join(primary.directory, 'data')), join(directory, 'data'), { recursive: true });
  await primary.start();
  await writeFile(join(directory, 'data', 'standby.signal'), '');
  const connection = `host=127.0.0.1 port=${primary.port} user=${EMBEDDED_USER} application_name=${name}`;
  return await startPostgresServer({ settings: { primary_conninfo: connection }, directory });
};

/** Promotes a standby; the old primary has to be stopped before. */
export const promote = async (standby: PostgresServer): Promise<void> => {
  await standby.query('SELECT pg_promote(true, 60)');
};
