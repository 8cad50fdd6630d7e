/** A directory for one test, with the process id in its name, so that the next run can clean up after a killed one. */
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../src/lib/process-alive.ts';

export type TestDirectory = {
  readonly path: string;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

const PREFIX = 'tuf-depot-failover-';

export const makeTestDirectory = async (): Promise<TestDirectory> => {
  await removeLeftovers();
  const path = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
};

const removeLeftovers = async (): Promise<void> => {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    if (!(pid > 0) || isAlive(pid)) continue;
    const path = join(tmpdir(), name);
    for (const left of await processesOf(path)) process.kill(left, 'SIGKILL');
    await rm(path, { recursive: true, force: true, maxRetries: 10 });
  }
};

/** Processes with the directory in their arguments, or as their working directory. */
const processesOf = async (directory: string): Promise<number[]> => {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).map(Number).filter(each => each > 0)) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const place = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (words.includes(`${directory}/`) || place.startsWith(`${directory}/`)) found.push(pid);
  }
  return found;
};
