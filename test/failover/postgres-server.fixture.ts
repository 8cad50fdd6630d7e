/**
 * One PostgreSQL of the failover tests: a process tree on a loopback port that can be killed, frozen and promoted.
 *
 *     initialize, or copyFrom another ─▶ start ─▶ stop | kill | freeze, thaw | promote ─▶ start again
 *
 * PS1. It listens on 127.0.0.1, where it asks for a password, and on a Unix socket below a directory of mode 0700.
 * PS2. `kill` ends all of its processes at once. Their writes are there at the next start, also without fsync, because the
 *      kernel keeps them.
 * PS3. Its settings are in `postgresql.auto.conf`, which only this fixture writes. They are applied while it runs.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED_USER } from '../../src/local-fleet/embedded-postgres/initialize-database.ts';
import { until } from '../fleet-process.fixture.ts';
import { writeBaseBackup } from './base-backup.fixture.ts';
import { findPostgresProgram, freePort, queryOnce, socketUrl } from './postgres-program.fixture.ts';
import { freezeTree, killTree, thawTree } from './process-tree.fixture.ts';

type Settings = Readonly<Record<string, string | number>>;

export type PostgresServer = {
  readonly name: string;
  readonly port: number;
  readonly dataPath: string;
  /** For clients: through its port, or through a proxy at another port of 127.0.0.1. */
  readonly url: (port?: number) => string;
  /** For `primary_conninfo` of a server that follows the one at this port. */
  readonly connectionInfo: (port: number, applicationName: string) => string;
  /** Initializes a new database cluster. */
  readonly initialize: () => Promise<void>;
  /** A stopped server becomes a copy of a running one, which it follows when it is started. */
  readonly copyFrom: (primary: PostgresServer) => Promise<void>;
  /** A stopped server with the same history as another one follows it when it is started. */
  readonly becomeStandby: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** PostgreSQL's fast shutdown: afterwards a connected standby has every commit. */
  readonly stop: () => Promise<void>;
  /** PS2; does nothing if the server does not run. */
  readonly kill: () => Promise<void>;
  readonly freeze: () => Promise<void>;
  readonly thaw: () => Promise<void>;
  readonly isRunning: () => boolean;
  /** PS3. Adds to the settings, now or at the next start. */
  readonly configure: (settings: Settings) => Promise<void>;
  /** Through the Unix socket, so that faults of its port do not matter. */
  readonly query: <Row>(sql: string, values?: readonly unknown[]) => Promise<Row[]>;
  /** Promotes a standby, and waits until it accepts writes. */
  readonly promote: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

const SETTINGS: Settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_permissions: '0700',
  max_connections: 60,
  shared_buffers: '32MB',
  max_wal_size: '256MB',
  // Keeps the log that a standby needs after it was cut off for a while.
  wal_keep_size: '256MB',
  wal_receiver_timeout: '5s',
  wal_sender_timeout: '5s',
  wal_retrieve_retry_interval: '200ms',
  // Files of the data directory rather than of /dev/shm, where a killed server would leave them.
  dynamic_shared_memory_type: 'mmap',
  timezone: 'UTC',
  log_min_messages: 'warning',
  log_min_error_statement: 'panic',
  fsync: 'off',
};

export const createPostgresServer = async (options: {
  readonly name: string;
  /** Below this the server has a folder of its own. */
  readonly directory: string;
  readonly password: string;
}): Promise<PostgresServer> => {
  const { name, password } = options;
  const directory = join(options.directory, name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const program = await findPostgresProgram(directory);
  const { dataPath, socketDirectory } = program.home;
  const port = await freePort();
  const life = createLife(() => program.launch());
  let settings: Settings = { ...SETTINGS, port, unix_socket_directories: socketDirectory };

  const writeSettings = () => writeFile(join(dataPath, 'postgresql.auto.conf'), settingsText(settings));

  const server: PostgresServer = {
    name,
    port,
    dataPath,
    url: (at = port) => `postgresql://${EMBEDDED_USER}:${password}@127.0.0.1:${at}/postgres`,
    connectionInfo: (at, applicationName) =>
      `host=127.0.0.1 port=${at} user=${EMBEDDED_USER} password=${password} application_name=${applicationName} connect_timeout=5`,
    ...life,
    async initialize() {
      await program.initialize();
      await server.start();
      await server.query(`ALTER USER ${EMBEDDED_USER} PASSWORD '${password}'`);
      await server.stop();
    },
    async copyFrom(primary) {
      await program.release();
      await writeBaseBackup(primary, program.home);
      await server.becomeStandby();
    },
    becomeStandby: () => writeFile(join(dataPath, 'standby.signal'), ''),
    async start() {
      await writeSettings();
      const child = await life.start();
      await until(() => program.isReady(child), `PostgreSQL ${name} is ready: see its log in ${directory}`);
    },
    async configure(more) {
      settings = { ...settings, ...more };
      if (!life.isRunning()) return;
      await writeSettings();
      life.reload();
    },
    query: (sql, values) => queryOnce(socketUrl(program.home, port), sql, values),
    async promote() {
      await server.query('SELECT pg_promote(true, 60)');
      await until(async () => {
        const rows = await server.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
        return rows[0]?.standby === false;
      }, `PostgreSQL ${name} is promoted`);
    },
    async [Symbol.asyncDispose]() {
      await life.kill();
      await program.release();
      await program.remove();
    },
  };
  return server;
};

/** The process, from one start to the next. */
const createLife = (launch: () => Promise<ChildProcess>) => {
  let running: ChildProcess | undefined;
  const end = async (act: (pid: number) => Promise<void> | void): Promise<void> => {
    if (running?.pid === undefined) return;
    const exited = once(running, 'exit');
    await act(running.pid);
    await exited;
  };
  return {
    async start() {
      const child = await launch();
      running = child;
      child.once('exit', () => {
        if (running === child) running = undefined;
      });
      return child;
    },
    stop: () => end(pid => void process.kill(pid, 'SIGINT')),
    kill: () => end(killTree),
    reload: () => void running?.kill('SIGHUP'),
    freeze: () => freezeTree(running!.pid!),
    thaw: () => thawTree(running!.pid!),
    isRunning: () => running !== undefined,
  };
};

const settingsText = (settings: Settings): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
    .join('');
