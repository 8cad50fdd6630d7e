import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DepotError } from './errors.ts';
import { acquireExclusiveLock } from './exclusive-lock.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Another process that takes the lock, says so, and keeps it until it is killed. */
const startOwner = async () => {
  const script = `
    import { acquireExclusiveLock } from ${JSON.stringify(import.meta.resolve('./exclusive-lock.ts'))};
    globalThis.lock = await acquireExclusiveLock(${JSON.stringify(directory)});
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(owner.stdout, 'data');
  return owner;
};

test('a second process is refused with the first one’s process id, and a kill frees the directory (P12)', async () => {
  const owner = await startOwner();
  const refusal = await acquireExclusiveLock(directory).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(DepotError);
  expect(refusal).toMatchObject({
    code: 'IN_USE_BY_PROCESS',
    message: expect.stringContaining(`process ${owner.pid}`),
    detail: { pid: owner.pid },
  });

  owner.kill('SIGKILL');
  await once(owner, 'exit');
  await using lock = await acquireExclusiveLock(directory);
  expect(lock).toBeDefined();
});

test('the same process cannot lock a directory twice, and can after it has released it (P12)', async () => {
  {
    await using _lock = await acquireExclusiveLock(directory);
    await expect(acquireExclusiveLock(directory)).rejects.toMatchObject({ code: 'IN_USE_BY_PROCESS' });
  }
  await using again = await acquireExclusiveLock(directory);
  expect(again).toBeDefined();
});
