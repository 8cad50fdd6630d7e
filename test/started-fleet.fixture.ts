/**
 * `tuf-depot start` on a data directory, as a real process, and commands of an operator beside it.
 *
 * SF1. It takes free ports rather than the default ones, which another fleet of this machine may use.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { debugApi } from '../src/api/debug-api.ts';
import { readFleetTrust } from '../src/cli/connection/connection.ts';
import { programCommand } from '../src/cli/program-path.ts';
import { runTestCli, type TestRun } from '../src/cli/run.fixture.ts';
import { createApiClient } from '../src/http/client.ts';
import { secureDispatcher } from '../src/http/peers.ts';
import { isAlive } from '../src/lib/process-alive.ts';
import { fleetPaths } from '../src/local-fleet/data-directory.ts';
import { EMBEDDED_USER } from '../src/local-fleet/embedded-postgres/initialize-database.ts';
import { findPostmaster } from '../src/local-fleet/embedded-postgres/postmaster.ts';
import { SOCKET_PORT } from '../src/local-fleet/embedded-postgres/socket-directory.ts';
import type { TestNexus } from './fleet-members.fixture.ts';

type StartedSled = {
  readonly name: string;
  readonly pid: number;
  readonly datasets: readonly string[];
};

type StartedNexus = Pick<TestNexus, 'debug'> & {
  readonly name: string;
  readonly pid: number;
};

export type StartedFleet = {
  readonly directory: string;
  readonly nexuses: readonly StartedNexus[];
  readonly sleds: readonly StartedSled[];
  /** `tuf-depot …` of an operator, with `--data`. */
  readonly run: (...args: readonly string[]) => Promise<TestRun>;
  /** The same with `--json`. @throws unless it ends with 0 */
  readonly json: (...args: readonly string[]) => Promise<unknown>;
  /** On its embedded database. */
  readonly query: <Row>(sql: string) => Promise<Row[]>;
  /** Sends SIGINT, like Ctrl-C, without waiting for the end. */
  readonly interrupt: () => void;
  readonly exited: Promise<number | null>;
  /** Interrupts and waits. @throws unless it ends with 0 */
  readonly stop: () => Promise<void>;
  /** Stops it unless it has ended. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** The output of `start --json`. */
type Ready = {
  readonly ca_file: string;
  readonly nexuses: readonly { readonly name: string; readonly pid: number; readonly operator_url: string }[];
  readonly sleds: readonly StartedSled[];
};

const READY_TIMEOUT_MS = 90_000;

export const startDirectory = async (
  directory: string,
  ...args: readonly string[]
): Promise<StartedFleet> => {
  await rememberFreePorts(directory);
  const [program, ...script] = programCommand();
  const child = spawn(program, [...script, 'start', '--data', directory, '--json', ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk.toString()));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const words = () => `${out.join('')}${err.join('')}`;
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    return await exited;
  };
  try {
    const ready = JSON.parse(await untilReady(child, () => out.join(''), words)) as Ready;
    const token = (await readFile(fleetPaths(directory).tokenFile, 'utf8')).trim();
    const trust = await readFleetTrust(ready.ca_file);
    const dispatcher = secureDispatcher(() => trust, { fleet: trust.fleet, kind: 'nexus' });
    return {
      directory,
      sleds: ready.sleds,
      nexuses: ready.nexuses.map(({ operator_url, ...nexus }) => ({
        ...nexus,
        debug: createApiClient(debugApi, { baseUrl: operator_url, token, dispatcher }),
      })),
      run: (...command) => runTestCli([...command, '--data', directory]),
      async json(...command) {
        const run = await runTestCli([...command, '--data', directory, '--json']);
        if (run.exitCode !== 0) throw new Error(`tuf-depot ${command.join(' ')}: ${run.err}`);
        return JSON.parse(run.out);
      },
      query: sql => queryEmbedded(directory, sql),
      interrupt: () => void child.kill('SIGINT'),
      exited,
      async stop() {
        child.kill('SIGINT');
        const code = await exited;
        if (code !== 0) throw new Error(`start ended with ${code}: ${words()}`);
      },
      async [Symbol.asyncDispose]() {
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
};

const untilReady = async (child: ChildProcess, out: () => string, words: () => string): Promise<string> => {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  while (!out().endsWith('\n}\n')) {
    if (child.exitCode !== null || performance.now() > deadlineMs)
      throw new Error(`tuf-depot start did not come up: ${words()}`);
    await delay(50);
  }
  return out();
};

/** Of a fleet that runs. */
const queryEmbedded = async <Row>(directory: string, sql: string): Promise<Row[]> => {
  const found = await findPostmaster(join(fleetPaths(directory).postgres, 'data'));
  const socket = encodeURIComponent(found?.socketDirectory ?? '');
  const client = new pg.Client({
    connectionString: `postgresql:///postgres?host=${socket}&port=${SOCKET_PORT}&user=${EMBEDDED_USER}`,
  });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
};

/** SF1. Writes free ports as those of an earlier start, unless there was one. */
const rememberFreePorts = async (directory: string): Promise<void> => {
  const { ports } = fleetPaths(directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if ((await readFile(ports, 'utf8').catch(() => '')) !== '') return;
  const addresses = [await freeAddress(), await freeAddress()];
  await writeFile(ports, JSON.stringify({ 'nexus-1': addresses }));
};

const freeAddress = async (): Promise<string> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
};

/** Resolves when all of these processes have ended. */
export const untilGone = async (pids: readonly number[]): Promise<void> => {
  while (pids.some(isAlive)) await delay(50);
};

/** Paths of all files below a directory, relative to it and sorted. */
export const filesBelow = async (directory: string): Promise<string[]> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
};
