import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../lib/log.ts';
import { readUnprivilegedAccount } from './account.ts';
import { findPostgresBinaries, linkLibraries } from './binaries.ts';
import { type EmbeddedPostgresOptions, startEmbeddedPostgres } from './embedded-postgres.ts';
import { findPostmaster } from './postmaster.ts';

const { signal } = new AbortController();
const asRoot = process.getuid?.() === 0;

/** A directory that only this user can enter, as a home directory is. */
const makeDirectory = async () => {
  const path = await mkdtemp(join(tmpdir(), 'tuf-depot-pg-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
};

const start = (dataDirectory: string, more: Partial<EmbeddedPostgresOptions> = {}) =>
  startEmbeddedPostgres({ dataDirectory, log: silentLogger, signal, fsync: false, ...more });

const query = async (connection: string, sql: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: connection });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};

const makeTable = 'CREATE TABLE kept AS SELECT 42 AS answer';
const readTable = 'SELECT answer FROM kept';

describe('an embedded PostgreSQL', () => {
  test('keeps its data from one start to the next, and is gone in between', async () => {
    await using directory = await makeDirectory();
    {
      await using first = await start(directory.path);
      expect(first.adopted).toBe(false);
      await query(first.connection, makeTable);
      await expect(query(first.connection, 'SHOW server_version')).resolves.toMatchObject([
        { server_version: expect.stringMatching(/^18\./) },
      ]);
    }
    expect(await findPostmaster(join(directory.path, 'data'))).toBeUndefined();
    await using second = await start(directory.path);
    expect(await query(second.connection, readTable)).toEqual([{ answer: 42 }]);
  });

  test('syncs to the disk unless a test says otherwise, and listens on no address', async () => {
    await using directory = await makeDirectory();
    await using postgres = await startEmbeddedPostgres({
      dataDirectory: directory.path,
      log: silentLogger,
      signal,
    });
    const settings = await query(
      postgres.connection,
      `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
              current_setting('full_page_writes') AS pages, current_setting('listen_addresses') AS addresses`,
    );
    expect(settings).toEqual([{ fsync: 'on', commit: 'on', pages: 'on', addresses: '' }]);
    expect((await lstat(join(directory.path, 'socket'))).mode & 0o777).toBe(0o700);
  });

  test('uses neither TLS nor ICU, and no extension, of the old libraries that it brings', async () => {
    await using directory = await makeDirectory();
    await using postgres = await start(directory.path);
    await expect(query(postgres.connection, 'SHOW ssl')).resolves.toEqual([{ ssl: 'off' }]);
    const databases = 'SELECT DISTINCT datlocprovider AS provider, datcollate AS locale FROM pg_database';
    expect(await query(postgres.connection, databases)).toEqual([{ provider: 'c', locale: 'C' }]);
    const extensions = 'SELECT extname AS name FROM pg_extension';
    expect(await query(postgres.connection, extensions)).toEqual([{ name: 'plpgsql' }]);
    const methods = `SELECT DISTINCT type, auth_method AS method FROM pg_hba_file_rules ORDER BY type`;
    expect(await query(postgres.connection, methods)).toEqual([
      { type: 'host', method: 'reject' },
      { type: 'local', method: 'trust' },
    ]);
  });

  test('is taken over when its owner was killed, and stops with its new owner', async () => {
    await using directory = await makeDirectory();
    const script = new URL('./owner.fixture.ts', import.meta.url).pathname;
    const owner = spawn(process.execPath, [script, directory.path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const { pid } = JSON.parse(line.toString()) as { pid: number };

    await expect(start(directory.path)).rejects.toMatchObject({
      code: 'IN_USE_BY_PROCESS',
      message: expect.stringContaining(`process ${owner.pid}`),
    });
    // EP3: a signal to the owner's process group does not reach the server.
    expect(await processGroupOf(pid)).not.toBe(await processGroupOf(owner.pid!));

    owner.kill('SIGKILL');
    await once(owner, 'exit');
    {
      await using adopted = await start(directory.path);
      expect(adopted).toMatchObject({ adopted: true, pid });
      await query(adopted.connection, makeTable);
    }
    expect(await findPostmaster(join(directory.path, 'data'))).toBeUndefined();
    await using again = await start(directory.path);
    expect(again.adopted).toBe(false);
    expect(await query(again.connection, readTable)).toEqual([{ answer: 42 }]);
  });

  test('starts after a crash, although another process has its old process id', async () => {
    await using directory = await makeDirectory();
    const pidFile = join(directory.path, 'data', 'postmaster.pid');
    {
      await using first = await start(directory.path);
      process.kill(first.pid, 'SIGKILL');
    }
    const left = await readFile(pidFile, 'utf8');
    await rm(pidFile);
    await appendFile(pidFile, left.replace(/^\d+/, String(process.pid)));
    await expect(start(directory.path).then(started => started[Symbol.asyncDispose]())).resolves.toBe(
      undefined,
    );
  });

  test('has its socket elsewhere when the path of its directory is too long for one', async () => {
    await using directory = await makeDirectory();
    const deep = join(directory.path, 'a-long-name-'.repeat(8));
    await using postgres = await start(deep);
    const socketDirectory = new URL(postgres.connection.replace('///', '//x/')).searchParams.get('host')!;
    expect(socketDirectory.startsWith(deep)).toBe(false);
    expect((await lstat(socketDirectory)).mode & 0o777).toBe(0o700);
    expect(await query(postgres.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test("says why it does not start, in PostgreSQL's own words", async () => {
    await using directory = await makeDirectory();
    await (await start(directory.path))[Symbol.asyncDispose]();
    await appendFile(join(directory.path, 'data', 'postgresql.conf'), '\nnonsense nonsense nonsense\n');
    await expect(start(directory.path)).rejects.toMatchObject({
      code: 'EMBEDDED_POSTGRES',
      message: expect.stringContaining('did not start'),
      cause: { message: expect.stringContaining('syntax error') },
    });
  });

  test('an interrupted start leaves nothing running, and no half of a database', async () => {
    await using directory = await makeDirectory();
    const aborter = new AbortController();
    const starting = start(directory.path, { signal: aborter.signal });
    const begun = async () =>
      (await readdir(directory.path)).some(name => name.startsWith('data.unfinished-'));
    while (!(await begun()));
    aborter.abort();
    await expect(starting).rejects.toBe(aborter.signal.reason);
    await expect(lstat(join(directory.path, 'data'))).rejects.toMatchObject({ code: 'ENOENT' });
    await using postgres = await start(directory.path);
    expect(await query(postgres.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});

describe.runIf(asRoot)('as root', () => {
  test('its files stay those of root', async () => {
    await using directory = await makeDirectory();
    await using _postgres = await start(directory.path);
    expect((await lstat(join(directory.path, 'data', 'PG_VERSION'))).uid).toBe(0);
  });

  test('without user namespaces it moves to where an unprivileged account reaches it, and stays', async () => {
    await using directory = await makeDirectory();
    await using outside = await makeDirectory();
    await chmod(outside.path, 0o755);
    {
      await using inNamespace = await start(directory.path);
      await query(inNamespace.connection, makeTable);
    }
    const account = await readUnprivilegedAccount();
    const options = { publicDirectory: outside.path };
    const { uid } = account as { uid: number };
    {
      await using moved = await start(directory.path, { ...options, account });
      expect(await query(moved.connection, readTable)).toEqual([{ answer: 42 }]);
      expect((await lstat(`/proc/${moved.pid}`)).uid).toBe(uid);
    }
    expect(await readlink(join(directory.path, 'data'))).toContain(outside.path);
    await using later = await start(directory.path, options);
    expect((await lstat(`/proc/${later.pid}`)).uid).toBe(uid);
    expect(await query(later.connection, readTable)).toEqual([{ answer: 42 }]);
  });
});

test('libraries are found where the package made no links, and nothing is written beside them', async () => {
  await using directory = await makeDirectory();
  const { nativeDirectory } = await findPostgresBinaries();
  const copy = join(directory.path, 'native');
  const withoutLinks = async (path: string) => !(await lstat(path)).isSymbolicLink();
  await mkdir(copy);
  for (const name of ['bin', 'lib', 'pg-symlinks.json']) {
    await cp(join(nativeDirectory, name), join(copy, name), { recursive: true, filter: withoutLinks });
  }
  await chmod(join(copy, 'lib'), 0o555);
  const version = (env: NodeJS.ProcessEnv) =>
    spawnSync(join(copy, 'bin/postgres'), ['--version'], { env, encoding: 'utf8' });
  expect(version({}).status).not.toBe(0);
  const libraries = await linkLibraries(copy, join(directory.path, 'links'));
  expect(version({ LD_LIBRARY_PATH: libraries }).stdout).toContain('PostgreSQL');
  await linkLibraries(copy, join(directory.path, 'links'));
  await chmod(join(copy, 'lib'), 0o755); // or only root could remove it
});

/** Field 5 of /proc/PID/stat; the name before it may hold spaces, and ends with the last parenthesis. */
const processGroupOf = async (pid: number): Promise<string | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2];
};
