/** PgBouncer in transaction mode before a server of the tests: Debian's `pgbouncer`, where it is installed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { systemClock } from '../src/lib/clock.ts';
import { chooseAccount, commandAs } from '../src/local-fleet/embedded-postgres/account.ts';
import { EMBEDDED_USER } from '../src/local-fleet/embedded-postgres/initialize-database.ts';
import { freePort } from './postgres-server.fixture.ts';

export const pgBouncerIsInstalled = (): boolean =>
  spawnSync('pgbouncer', ['--version'], { stdio: 'ignore' }).status === 0;

export type PgBouncer = {
  readonly url: (database: string) => string;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** @param server the connection parameters of the server, in libpq's syntax, without the database */
export const startPgBouncer = async (server: string): Promise<PgBouncer> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-pgbouncer-'));
  const port = await freePort();
  const config = join(directory, 'pgbouncer.ini');
  // Two server connections for each database: sessions share them, so that any use of session state fails at once.
  await writeFile(
    config,
    `[databases]
* = ${server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_login_retry = 0.2
`,
  );
  const command = commandAs(await chooseAccount(), 'pgbouncer', [config]);
  const child = spawn(command.file, command.args, { ...command.identity, stdio: 'ignore' });
  const url = (database: string) => `postgresql://${EMBEDDED_USER}@127.0.0.1:${port}/${database}`;
  const stop = async () => {
    await ended(child);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await accepts(child, url('pgbouncer'));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: stop };
};

/** Polls its admin console, which needs no server. */
const accepts = async (child: ChildProcess, console: string): Promise<void> => {
  const { signal } = new AbortController();
  for (;;) {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended with status ${child.exitCode}`);
    const client = new pg.Client({ connectionString: console });
    try {
      await client.connect();
      return await client.end();
    } catch {
      await systemClock.sleep(20, { signal });
    }
  }
};

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
};
