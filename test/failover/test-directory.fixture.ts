/** A directory for one test that names its process, so that the next run can clean up what a killed one left behind. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostmaster, whenGone } from '../../src/fleet/embedded-postgres/postmaster.ts';
import { isAlive } from '../../src/lib/process-alive.ts';
import { killTree } from './process-tree.fixture.ts';

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
    for (const server of await readdir(path)) {
      const dataPath = join(path, server, 'data');
      const found = await findPostmaster(dataPath);
      if (found === undefined) continue;
      await killTree(found.pid);
      await whenGone(dataPath, found.pid, { signal: AbortSignal.timeout(10_000) });
    }
    await rm(path, { recursive: true, force: true });
  }
};
