/**
 * The PostgreSQL program for the failover tests: its binaries, its account, its first database, and a running process.
 *
 * The binaries are those of `npm start`. `FAILOVER_POSTGRES=/usr/lib/postgresql/15` takes others, which need `bin/`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { chooseAccount, commandAs } from '../../src/local-fleet/embedded-postgres/account.ts';
import { findPostgresBinaries, linkLibraries } from '../../src/local-fleet/embedded-postgres/binaries.ts';
import { type Home, PUBLIC_DIRECTORY, prepareHome } from '../../src/local-fleet/embedded-postgres/home.ts';
import {
  EMBEDDED_USER,
  initializeDatabase,
} from '../../src/local-fleet/embedded-postgres/initialize-database.ts';
import { findPostmaster } from '../../src/local-fleet/embedded-postgres/postmaster.ts';

export type PostgresProgram = {
  readonly home: Home;
  readonly initialize: () => Promise<void>;
  readonly launch: () => Promise<ChildProcess>;
  /** Whether a launched server answers; a standby is ready when it answers reads. */
  readonly isReady: (child: ChildProcess) => Promise<boolean>;
  /** Removes what a killed server left in the kernel. */
  readonly release: () => Promise<void>;
  /** After `release`: removes its files outside of its directory. */
  readonly remove: () => Promise<void>;
};

/** The password is sent as it is, so that a pooler before the server can send it again (pooler.fixture.ts). */
const HOST_BASED_ACCESS = `local all all trust
local replication all trust
host all all 127.0.0.1/32 password
host replication all 127.0.0.1/32 password
`;

export const findPostgresProgram = async (directory: string): Promise<PostgresProgram> => {
  const own = process.env.FAILOVER_POSTGRES;
  const home = await prepareHome({
    dataDirectory: directory,
    binaries: own ? { nativeDirectory: own, version: 'own' } : await findPostgresBinaries(),
    account: await chooseAccount(),
    publicDirectory: PUBLIC_DIRECTORY,
  });
  const libraries = own ? undefined : await linkLibraries(home.nativeDirectory, home.libraryLinks);
  const environment = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries }),
  };
  return {
    home,
    async initialize() {
      const signal = new AbortController().signal;
      await initializeDatabase(home, { environment, fsync: false, signal });
      await writeFile(join(home.dataPath, 'pg_hba.conf'), HOST_BASED_ACCESS);
    },
    launch: () => launch(home, environment, join(directory, 'postgres.log')),
    async isReady(child) {
      const found = await findPostmaster(home.dataPath);
      return found?.ready === true && found.pid === child.pid;
    },
    release: () => removeSharedMemory(home.dataPath),
    async remove() {
      // The data of an unprivileged account.
      if (home.dataParent !== directory) await rm(home.dataParent, { recursive: true, force: true });
    },
  };
};

const launch = async (home: Home, env: NodeJS.ProcessEnv, logFile: string): Promise<ChildProcess> => {
  const log = await open(logFile, 'a', 0o600);
  try {
    const command = commandAs(home.account, join(home.nativeDirectory, 'bin/postgres'), [
      '-D',
      home.dataPath,
    ]);
    const child = spawn(command.file, command.args, {
      ...command.identity,
      cwd: '/',
      env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await once(child, 'spawn');
    return child;
  } finally {
    await log.close();
  }
};

/** A killed server leaves a shared memory segment of a few bytes, which guards its directory, and which nothing else removes. */
const removeSharedMemory = async (dataPath: string): Promise<void> => {
  const lines = (await readFile(join(dataPath, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const id = lines[6]?.trim().split(/\s+/)[1];
  if (id !== undefined) spawnSync('ipcrm', ['--shmem-id', id], { stdio: 'ignore' });
};

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

export const socketUrl = ({ socketDirectory }: Home, port: number): string =>
  `postgresql:///postgres?host=${encodeURIComponent(socketDirectory)}&port=${port}&user=${EMBEDDED_USER}`;

/** Over a new connection, which is closed if it does not answer in time. */
export const queryOnce = async <Row>(
  connectionString: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> => {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000, query_timeout: 70_000 });
  // If the server is killed meanwhile, the query fails.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(sql, [...values])).rows as Row[];
  } finally {
    await client.end().catch(() => undefined);
  }
};
