/**
 * The command line as a person and a script use it: real processes, signals, terminals of neither kind.
 *
 * The whole demo is run by CI; here it is interrupted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { makeTestRelease } from '../src/signing/release.fixture.ts';

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

type Running = {
  readonly process: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  readonly exit: Promise<number | null>;
};

/** A directory that nobody else may look into; the place of temporary files, too. */
const privateDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-cli-test-'));
  await chmod(directory, 0o700);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
};

const run = (directory: string, ...args: string[]): Running => {
  const { TUF_DEPOT_URL: _, TUF_DEPOT_TOKEN: __, ...environment } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    cwd: directory,
    // Logins of the person who runs the tests do not count.
    env: { ...environment, TMPDIR: directory, XDG_CONFIG_HOME: directory },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined);
  onTestFinished(() => void child.kill('SIGKILL'));
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk.toString()));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return { process: child, out: () => out.join(''), err: () => err.join(''), exit };
};

const json = async (directory: string, ...args: string[]) => {
  const running = run(directory, ...args, '--json');
  const exitCode = await running.exit;
  return { exitCode, data: running.out() === '' ? undefined : JSON.parse(running.out()), err: running.err() };
};

type StartedFleet = {
  readonly nexuses: readonly { readonly operator_url: string; readonly pid: number }[];
  readonly sleds: readonly {
    readonly id: string;
    readonly pid: number;
    readonly datasets: readonly string[];
  }[];
};

const started = async (running: Running): Promise<StartedFleet> => {
  await expect.poll(running.out, { timeout: 60_000 }).toMatch(/\n\}\n$/);
  return JSON.parse(running.out());
};

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);
const pidsOf = (fleet: StartedFleet): number[] => [...fleet.nexuses, ...fleet.sleds].map(({ pid }) => pid);

test('start runs a fleet that other commands find, once per directory, and continues it the next time', async () => {
  const directory = await privateDirectory();
  const release = await makeTestRelease(directory, { systemVersion: '1.0.0' });
  const first = run(directory, 'start', '--sleds', '2', '--json');
  const fleet = await started(first);
  expect(fleet.sleds).toHaveLength(2);
  expect(fleet).toMatchObject({ min_sled_replication: 2 });

  const second = run(directory, 'start');
  expect(await second.exit).toBe(1);
  expect(second.err()).toContain(`in use by process ${first.process.pid}`);

  expect((await json(directory, 'trust-root', 'add', release.path)).exitCode).toBe(0);
  const upload = await json(directory, 'repo', 'upload', release.path, '--wait');
  expect(upload, upload.err).toMatchObject({ exitCode: 0, data: { outcome: 'reached' } });
  expect(await json(directory, 'status')).toMatchObject({ exitCode: 0, data: { verdict: 'ok' } });
  expect(await json(directory, 'repo', 'list')).toMatchObject({
    data: [{ system_version: '1.0.0', state: 'complete', sleds_holding_all: 2 }],
  });

  await expectInterruptedUploadToLeaveNothing(directory);

  first.process.kill('SIGINT');
  expect(await first.exit).toBe(0);
  expect(pidsOf(fleet).filter(isAlive)).toEqual([]);
  expect(existsSync(join(directory, '.tuf-depot', 'fleet.json'))).toBe(false);

  const again = run(directory, 'start', '--json');
  const same = await started(again);
  expect(same.sleds.map(({ id }) => id)).toEqual(fleet.sleds.map(({ id }) => id));
  expect(same.nexuses.map(({ operator_url }) => operator_url)).toEqual(
    fleet.nexuses.map(({ operator_url }) => operator_url),
  );
  expect((await json(directory, 'repo', 'wait', '1.0.0', '--timeout', '60')).exitCode).toBe(0);

  // A killed launcher leaves PostgreSQL, which the next one takes over, and nothing else.
  again.process.kill('SIGKILL');
  await again.exit;
  await expect.poll(() => pidsOf(same).filter(isAlive), { timeout: 30_000 }).toEqual([]);
  const adopted = run(directory, 'start', '--json');
  await started(adopted);
  expect((await json(directory, 'repo', 'list')).data).toHaveLength(1);
  adopted.process.kill('SIGTERM');
  expect(await adopted.exit).toBe(0);
}, 180_000);

const expectInterruptedUploadToLeaveNothing = async (directory: string): Promise<void> => {
  const staging = join(directory, '.tuf-depot', 'nexus-1', 'staging');
  const before = await readdir(staging, { recursive: true });
  const uploadsInProgress = async () => (await json(directory, 'status')).data.uploads_in_progress;
  const upload = run(directory, 'repo', 'upload', '-');
  upload.process.stdin?.write(Buffer.alloc(1024 * 1024));
  await expect.poll(uploadsInProgress, { timeout: 30_000 }).toBe(1);
  upload.process.kill('SIGINT');
  expect(await upload.exit).toBe(130);
  // A slow machine may have printed progress before it.
  expect(upload.err()).toMatch(/^interrupted by SIGINT\n$/m);
  await expect.poll(uploadsInProgress, { timeout: 30_000 }).toBe(0);
  expect(await readdir(staging, { recursive: true })).toEqual(before);
};

test('a process of the fleet that ends by itself ends the fleet, with its name and the end of its log', async () => {
  const directory = await privateDirectory();
  const running = run(directory, 'start', '--sleds', '1', '--json');
  const fleet = await started(running);
  process.kill(fleet.sleds[0]!.pid, 'SIGKILL');
  expect(await running.exit).toBe(1);
  expect(running.err()).toMatch(
    /error: sled-1 ended unexpectedly by SIGKILL: .* \[CHILD_FAILED\]\nfix: read its log: .*sled-1\.log\n/,
  );
  expect(pidsOf(fleet).filter(isAlive)).toEqual([]);
}, 120_000);

test('without its PostgreSQL the fleet ends too, and the next one finds the data', async () => {
  const directory = await privateDirectory();
  const running = run(directory, 'start', '--sleds', '1', '--json');
  await started(running);
  const pidFile = join(directory, '.tuf-depot', 'postgres', 'data', 'postmaster.pid');
  process.kill(Number((await readFile(pidFile, 'utf8')).split('\n')[0]), 'SIGKILL');
  expect(await running.exit).toBe(1);
  expect(running.err()).toMatch(
    /error: PostgreSQL ended unexpectedly: .* \[CHILD_FAILED\]\nfix: .*postgres\.log\n/,
  );
  const again = run(directory, 'start', '--json');
  expect((await started(again)).sleds).toHaveLength(1);
  again.process.kill('SIGTERM');
  expect(await again.exit).toBe(0);
}, 120_000);

test.for([
  ['while the fleet starts', /starting sled agents/],
  ['in the middle of an upload', /3\/7/],
  ['in the middle of replication', /4\/7/],
] as const)(
  'a demo interrupted %s exits with 130 and leaves no process and no file',
  { timeout: 180_000 },
  async ([, at]) => {
    const directory = await privateDirectory();
    const running = run(directory, 'demo', '--sleds', '2');
    await expect.poll(() => running.out() + running.err(), { timeout: 120_000, interval: 20 }).toMatch(at);
    running.process.kill('SIGINT');
    expect(await running.exit, running.err()).toBe(130);
    expect(running.out() + running.err()).not.toContain('\x1b');
    expect(await readdir(directory)).toEqual([]);
    expect(await processesIn(directory)).toEqual([]);
  },
);

test('a demo that fails reports why, and leaves no process and no file (DM2)', async () => {
  const directory = await privateDirectory();
  const running = run(directory, 'demo', '--sleds', '2');
  await expect.poll(running.out, { timeout: 120_000 }).toContain('3/7');
  const pid = Number(/^ {3}sled-2 .* pid (\d+)$/m.exec(running.out())?.[1]);
  process.kill(pid, 'SIGKILL');
  expect(await running.exit).toBe(1);
  expect(running.err()).toMatch(
    /error: the demo failed: sled-2 ended unexpectedly by SIGKILL.* \[CHILD_FAILED\]\nfix: /,
  );
  expect(await readdir(directory)).toEqual([]);
  expect(await processesIn(directory)).toEqual([]);
}, 180_000);

/** The command lines of processes that have to do with a directory. */
const processesIn = async (directory: string): Promise<string[]> => {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name));
  const commands = await Promise.all(
    pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return commands.filter(command => command.includes(directory));
};
