/**
 * Makes a new database with initdb, under another name first (HM1).
 *
 * initdb starts other processes. They form one process group, which ends as a whole, and each attempt has its own
 * directory, so that no leftover process writes into a directory that is used again.
 */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DepotError } from '../../lib/errors.ts';
import { namedFilesDisk, namingFull } from '../../lib/real-disk.ts';
import { commandAs } from './account.ts';
import type { Home } from './home.ts';

export const EMBEDDED_USER = 'tuf_depot';

const UNFINISHED_PREFIX = 'data.unfinished-';
/** It takes a second, most of it syncing to the disk. */
const INITDB_TIMEOUT_MS = 120_000;
/** The length of its message in an error. */
const MAX_QUOTED_CHARACTERS = 2_000;

type Options = {
  readonly environment: NodeJS.ProcessEnv;
  readonly fsync: boolean;
  readonly signal: AbortSignal;
};

/** @throws `EMBEDDED_POSTGRES` with initdb's message in the cause */
export const initializeDatabase = async (home: Home, options: Options): Promise<void> => {
  await removeUnfinished(home.dataParent);
  const unfinished = join(home.dataParent, `${UNFINISHED_PREFIX}${randomUUID()}`);
  const { status, words } = await runInitdb(home, unfinished, options);
  options.signal.throwIfAborted();
  if (status !== 'status 0') {
    throw new DepotError(
      'EMBEDDED_POSTGRES',
      `initdb could not make a database in ${home.dataParent}: ${status}`,
      { cause: new Error(words) },
    );
  }
  await namingFull(home.dataParent, () => rename(unfinished, home.dataPath));
  await namedFilesDisk.syncDirectory(home.dataParent);
};

/** Removes leftovers of interrupted attempts; the next start removes one that an orphaned initdb still writes to. */
const removeUnfinished = async (directory: string): Promise<void> => {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(UNFINISHED_PREFIX)) continue;
    await rm(join(directory, name), { recursive: true, force: true }).catch(() => undefined);
  }
};

const runInitdb = async (
  home: Home,
  target: string,
  { environment, fsync, signal }: Options,
): Promise<{ status: string; words: string }> => {
  // The C locale orders text by its bytes, as CockroachDB does. Only the owner reaches the socket: trust.
  const command = commandAs(home.account, join(home.nativeDirectory, 'bin/initdb'), [
    ...['-D', target, '-U', EMBEDDED_USER, '--encoding=UTF8', '--no-locale', '--no-instructions'],
    ...['--auth-local=trust', '--auth-host=reject'],
    ...(fsync ? [] : ['--no-sync']),
  ]);
  const child = spawn(command.file, command.args, {
    ...command.identity,
    cwd: '/',
    env: environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let words = '';
  const collect = (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-MAX_QUOTED_CHARACTERS);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(INITDB_TIMEOUT_MS)]);
  const end = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  deadline.addEventListener('abort', end, { once: true });
  if (deadline.aborted) end();
  try {
    // Closed once every process of the group has closed the pipes.
    const status = await new Promise<string>(resolve => {
      child.once('error', error => resolve(error.message));
      child.once('close', (code, signalName) => resolve(signalName ?? `status ${code}`));
    });
    return { status, words: words.trim() };
  } finally {
    deadline.removeEventListener('abort', end);
  }
};
