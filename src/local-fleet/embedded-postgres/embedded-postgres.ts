/**
 * A real PostgreSQL in a directory, for machines without a database.
 *
 *     lock ─▶ adopt the server that a killed owner left behind ──────────────▶ connection URL
 *          └▶ account ─▶ home ─▶ initdb (once) ─▶ postgres ─▶ ready ──────────┘
 *
 * EP1. One owner per directory (P12); a server that outlived its owner is adopted, never started twice.
 * EP2. The server listens on a Unix socket in a directory of mode 0700, and nowhere else.
 * EP3. It has its own process group: Ctrl-C reaches only its clients, which can finish first.
 * EP4. Its output goes to a file, not to a pipe that would break with its owner.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, realpath, rename, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DepotError } from '../../lib/errors.ts';
import { acquireExclusiveLock } from '../../lib/exclusive-lock.ts';
import type { Logger } from '../../lib/log.ts';
import { makeDirectories, namingFull } from '../../lib/real-disk.ts';
import { type Account, chooseAccount, commandAs } from './account.ts';
import { findPostgresBinaries, linkLibraries, type PostgresBinaries } from './binaries.ts';
import { type Home, PUBLIC_DIRECTORY, prepareHome } from './home.ts';
import { EMBEDDED_USER, initializeDatabase } from './initialize-database.ts';
import { findPostmaster, type Postmaster, poll, stopPostmaster, whenGone } from './postmaster.ts';
import { SOCKET_PORT } from './socket-directory.ts';

export type EmbeddedPostgres = {
  /** A URL for `createPgDatastore` and any PostgreSQL client; without a password, since the directory controls access. */
  readonly connection: string;
  readonly pid: number;
  /** Whether it was found running, after its owner was killed. */
  readonly adopted: boolean;
  readonly logFile: string;
  /** Resolves when the server is gone. @throws the signal's reason */
  readonly gone: (options: { signal: AbortSignal }) => Promise<void>;
  /** Stops the server and releases the directory. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

const EMBEDDED_DATABASE = 'postgres';
const LOG_FILE = 'postgres.log';

/** Recovery after a crash replays the log, which `max_wal_size` bounds to seconds. */
const START_TIMEOUT_MS = 60_000;
/** For the Nexus instances of one machine, each with its pool, and the tests that run at once. */
const MAX_CONNECTIONS = 100;
/** A larger log is renamed at the next start; one old one is kept. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;
/** The length of PostgreSQL's message in an error. */
const MAX_QUOTED_CHARACTERS = 2_000;

export type EmbeddedPostgresOptions = {
  /** Absolute; made if absent. */
  readonly dataDirectory: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** False only for tests: a power cut may then lose everything. */
  readonly fsync?: boolean;
  /** For tests: instead of the result of {@link chooseAccount}. */
  readonly account?: Account;
  readonly publicDirectory?: string;
  /** For tests: of another version than the installed one. */
  readonly binaries?: PostgresBinaries;
  /** For tests: settings of the server, instead of or beside its own. */
  readonly settings?: Readonly<Record<string, string | number>>;
};

/**
 * Starts the server, or adopts it, and waits until it accepts connections.
 *
 * @throws `IN_USE_BY_PROCESS` while another process owns the directory; `EMBEDDED_POSTGRES`, with PostgreSQL's
 *   message in the cause, when it does not start
 */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  await makeDirectories(options.dataDirectory, { mode: 0o700 });
  const dataDirectory = await realpath(options.dataDirectory);
  await using undo = new AsyncDisposableStack();
  undo.use(await acquireExclusiveLock(dataDirectory));

  const orphan = await adoptable(join(dataDirectory, 'data'), options.signal);
  const server = orphan ?? (await startServer({ ...options, dataDirectory }));
  undo.defer(async () => {
    await stopPostmaster(join(dataDirectory, 'data'), server.pid);
    // Outside of the data directory it would stay behind for ever.
    await rmdir(server.socketDirectory).catch(() => undefined);
  });
  options.signal.throwIfAborted();

  const adopted = orphan !== undefined;
  options.log.info(
    { postgres_pid: server.pid, data_directory: dataDirectory },
    adopted ? 'embedded postgresql adopted' : 'embedded postgresql started',
  );
  const owned = undo.move();
  return {
    connection: connectionUrl(server.socketDirectory),
    pid: server.pid,
    adopted,
    logFile: join(dataDirectory, LOG_FILE),
    gone: ({ signal }) => whenGone(join(dataDirectory, 'data'), server.pid, { signal }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

const connectionUrl = (socketDirectory: string): string =>
  `postgresql:///${EMBEDDED_DATABASE}?host=${encodeURIComponent(socketDirectory)}&port=${SOCKET_PORT}&user=${EMBEDDED_USER}`;

/** Waits for a server that is shutting down, then starts it anew. */
const adoptable = async (dataPath: string, signal: AbortSignal): Promise<Postmaster | undefined> => {
  const settled = await poll(
    async () => {
      const found = await findPostmaster(dataPath);
      return found === undefined || found.ready ? { found } : undefined;
    },
    { timeoutMs: START_TIMEOUT_MS, signal },
  );
  if (settled !== undefined) return settled.found;
  throw new DepotError(
    'EMBEDDED_POSTGRES',
    `a PostgreSQL runs in ${dataPath} but accepts no connections; stop it, then start again`,
  );
};

const startServer = async (options: EmbeddedPostgresOptions): Promise<Postmaster> => {
  const { dataDirectory, signal, log } = options;
  const home = await prepareHome({
    dataDirectory,
    binaries: options.binaries ?? (await findPostgresBinaries()),
    account: options.account ?? (await chooseAccount()),
    publicDirectory: options.publicDirectory ?? PUBLIC_DIRECTORY,
  });
  const environment = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    LD_LIBRARY_PATH: await linkLibraries(home.nativeDirectory, home.libraryLinks),
    LC_ALL: 'C',
    TZ: 'UTC',
  };
  const fsync = options.fsync ?? true;
  if (!(await stat(join(home.dataPath, 'PG_VERSION')).catch(() => undefined))) {
    log.info({ data_directory: dataDirectory }, 'making a new database');
    await initializeDatabase(home, { environment, fsync, signal });
  }
  const logPath = join(dataDirectory, LOG_FILE);
  const output = await openLog(logPath);
  const { size: logStart } = await output.stat();
  let child: ChildProcess;
  try {
    const command = commandAs(
      home.account,
      join(home.nativeDirectory, 'bin/postgres'),
      serverArguments(home, fsync, options.settings),
    );
    child = spawn(command.file, command.args, {
      ...command.identity,
      cwd: '/',
      env: environment,
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
    });
  } finally {
    await output.close();
  }
  child.unref();
  return await waitUntilReady(child, home, { signal, ownWords: () => tailOf(logPath, logStart) });
};

const serverArguments = (home: Home, fsync: boolean, more: EmbeddedPostgresOptions['settings']): string[] => {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: home.socketDirectory,
    unix_socket_permissions: '0700',
    port: SOCKET_PORT,
    max_connections: MAX_CONNECTIONS,
    shared_buffers: '64MB',
    max_wal_size: '512MB',
    timezone: 'UTC',
    // Serialization failures are retried and conflicts are answers; neither belongs in the log as an error.
    log_min_messages: 'warning',
    log_min_error_statement: 'panic',
    fsync: fsync ? 'on' : 'off',
    ...(fsync ? {} : { full_page_writes: 'off' }),
    ...more,
  };
  return [
    '-D',
    home.dataPath,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
};

const waitUntilReady = async (
  child: ChildProcess,
  home: Home,
  { signal, ownWords }: { signal: AbortSignal; ownWords: () => Promise<string> },
): Promise<Postmaster> => {
  let failure: string | undefined;
  child.once('error', error => {
    failure = error.message;
  });
  child.once('exit', (code, signalName) => {
    failure ??= `it ended with ${signalName ?? `status ${code}`}`;
  });
  try {
    const ready = await poll(
      async () => {
        if (failure !== undefined) return 'ended' as const;
        const found = await findPostmaster(home.dataPath);
        return found?.ready && found.pid === child.pid ? found : undefined;
      },
      { timeoutMs: START_TIMEOUT_MS, signal },
    );
    if (ready !== undefined && ready !== 'ended') return ready;
    throw new DepotError(
      'EMBEDDED_POSTGRES',
      `PostgreSQL in ${home.dataPath} did not start: ${failure ?? `not ready after ${START_TIMEOUT_MS / 1000} s`}`,
      { cause: new Error(await ownWords()) },
    );
  } catch (error) {
    if (failure === undefined) {
      const ended = once(child, 'exit');
      child.kill('SIGQUIT');
      await ended;
    }
    throw error;
  }
};

const openLog = async (path: string) => {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && found.size > MAX_LOG_BYTES) await rename(path, `${path}.old`);
  return await namingFull(dirname(path), () => open(path, 'a', 0o600));
};

const tailOf = async (path: string, from: number): Promise<string> =>
  (await readFile(path)).subarray(from).toString().trim().slice(-MAX_QUOTED_CHARACTERS);
