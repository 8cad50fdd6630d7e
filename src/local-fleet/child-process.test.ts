import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { messageChain } from '../lib/errors.ts';
import { type ChildSpec, exitError, runChild, startChild } from './child-process.ts';

const spec = async (script: string): Promise<ChildSpec> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-child-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const readyFile = join(directory, 'ready');
  return {
    name: 'sled agent 1',
    command: process.execPath,
    args: [
      '--eval',
      `const ready = text => require('fs').writeFileSync(${JSON.stringify(readyFile)}, text);${script}`,
    ],
    logFile: join(directory, 'log'),
    readyFile,
  };
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const signal = new AbortController().signal;

test('a child is ready when it reports so, and is stopped by SIGTERM', async () => {
  const child = await startChild(
    await spec(
      `const timer = setInterval(() => {}, 1e6); process.on('SIGTERM', () => { console.error('bye'); clearInterval(timer) }); ready('here I am')`,
    ),
    { signal },
  );
  expect(child.ready).toBe('here I am');
  expect(await child.stop()).toEqual({ code: 0, signal: null });
  expect(await child.stop()).toEqual({ code: 0, signal: null });
  expect(await readFile(child.logFile, 'utf8')).toBe('bye\n');
});

test('the error of a child that exits before it is ready has the end of its log', async () => {
  const failing = await spec(
    `console.error(JSON.stringify({ msg: 'cannot listen', err: { message: 'port in use' } })); process.exitCode = 7`,
  );
  const error = await startChild(failing, { signal }).catch((thrown: unknown) => thrown);
  expect(messageChain(error)).toBe(
    'sled agent 1 ended unexpectedly with exit code 7: cannot listen: port in use',
  );
});

test('a missing program is named', async () => {
  const missing = { ...(await spec('')), command: '/no/such/program' };
  await expect(startChild(missing, { signal })).rejects.toThrow(
    'cannot start sled agent 1 (/no/such/program)',
  );
});

test('an abort while a child starts leaves no process', async () => {
  const slow = await spec(`console.error(process.pid); setInterval(() => {}, 1e6)`);
  const controller = new AbortController();
  const starting = startChild(slow, { signal: controller.signal });
  await expect.poll(() => readFile(slow.logFile, 'utf8').catch(() => '')).not.toBe('');
  const pid = Number(await readFile(slow.logFile, 'utf8'));
  expect(isAlive(pid)).toBe(true);
  controller.abort(new Error('enough'));
  await expect(starting).rejects.toThrow('enough');
  expect(isAlive(pid)).toBe(false);
});

test('a child has a process group of its own, and a standard input that ends with its parent', async () => {
  // The middle process is killed outright; the child sees the end of its input.
  const child = await spec(
    `process.stdin.on('end', () => ready('orphaned')).resume(); setTimeout(() => console.error(process.pid), 200)`,
  );
  const launcher = new URL('./child-process.ts', import.meta.url).href;
  const middle = await spec(`
    import(${JSON.stringify(launcher)}).then(({ startChild }) =>
      startChild(${JSON.stringify(child)}, { signal: new AbortController().signal })).catch(() => {});
    ready('middle');`);
  const parent = await startChild(middle, { signal });
  await expect.poll(() => readFile(child.logFile, 'utf8').catch(() => '')).toMatch(/^\d+\n$/);
  const pid = Number(await readFile(child.logFile, 'utf8'));
  const group = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[2];
  expect(Number(group)).toBe(pid);
  expect(existsSync(child.readyFile)).toBe(false);
  process.kill(parent.pid, 'SIGKILL');
  await expect.poll(() => readFile(child.readyFile, 'utf8').catch(() => '')).toBe('orphaned');
  await expect.poll(() => isAlive(pid)).toBe(false);
});

test('a process that should exit by itself fails unless it exits with 0', async () => {
  await runChild(await spec(''), { signal });
  await expect(runChild(await spec('process.exitCode = 3'), { signal })).rejects.toThrow('exit code 3');
});

test('a process that should end by itself is stopped by an abort, also by one while it starts', async () => {
  const controller = new AbortController();
  const running = runChild(await spec('setInterval(() => {}, 1e6)'), { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
});

test('an exit by a signal is reported as such', async () => {
  const child = await startChild(await spec(`setInterval(() => {}, 1e6); ready('x')`), { signal });
  process.kill(child.pid, 'SIGKILL');
  const error = await exitError(child, await child.exited);
  expect(messageChain(error)).toBe('sled agent 1 ended unexpectedly by SIGKILL: it logged nothing');
});
