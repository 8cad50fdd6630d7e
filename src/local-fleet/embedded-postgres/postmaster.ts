/**
 * A running PostgreSQL server, by its `postmaster.pid` and the kernel.
 *
 * PM1. A process is the server of a data directory when that directory is its working directory; the number in
 *      the file alone may have passed to another process after a crash.
 */
import { readFile, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DepotError } from '../../lib/errors.ts';

export type Postmaster = {
  readonly pid: number;
  readonly socketDirectory: string;
  /** Accepts connections. */
  readonly ready: boolean;
};

/** The names in its file of the states in which it accepts connections. */
const READY_STATES = ['ready', 'standby'];
const POLL_INTERVAL_MS = 20;
/** Between two checks of a server that should be running. */
const WATCH_INTERVAL_MS = 500;
/** A fast shutdown writes a checkpoint; beyond this it is cut short, which the next start repairs from the log. */
const FAST_SHUTDOWN_TIMEOUT_MS = 30_000;
const IMMEDIATE_SHUTDOWN_TIMEOUT_MS = 10_000;

/** The server of a data directory, or undefined when none runs. */
export const findPostmaster = async (dataPath: string): Promise<Postmaster | undefined> => {
  const lines = await readFile(join(dataPath, 'postmaster.pid'), 'utf8').then(
    text => text.split('\n'),
    () => [],
  );
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !(await isServerOf(dataPath, pid))) return undefined;
  return { pid, socketDirectory: lines[4] ?? '', ready: READY_STATES.includes(lines[7]?.trim() ?? '') };
};

const isServerOf = async (dataPath: string, pid: number): Promise<boolean> => {
  const [workingDirectory, expected] = await Promise.all([
    readlink(`/proc/${pid}/cwd`).catch(() => undefined),
    realpath(dataPath).catch(() => undefined),
  ]);
  return workingDirectory !== undefined && workingDirectory === expected;
};

/** Resolves when the server is gone, whoever started it. @throws the signal's reason */
export const whenGone = async (
  dataPath: string,
  pid: number,
  { signal }: { signal: AbortSignal },
): Promise<void> => {
  while (await isServerOf(dataPath, pid)) await delay(WATCH_INTERVAL_MS, undefined, { signal });
  signal.throwIfAborted();
};

/** Polls until `probe` has a result; undefined when `timeoutMs` have passed. */
export const poll = async <T>(
  probe: () => Promise<T | undefined>,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<T | undefined> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() >= deadline) return undefined;
    await delay(POLL_INTERVAL_MS);
  }
};

/** Disconnects all clients and stops the server. @throws `EMBEDDED_POSTGRES` when it does not stop */
export const stopPostmaster = async (dataPath: string, pid: number): Promise<void> => {
  const gone = async () => ((await isServerOf(dataPath, pid)) ? undefined : true);
  const attempts = [
    ['SIGINT', FAST_SHUTDOWN_TIMEOUT_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_TIMEOUT_MS],
  ] as const;
  for (const [signalName, timeoutMs] of attempts) {
    if (await gone()) return;
    sendSignal(pid, signalName);
    if (await poll(gone, { timeoutMs })) return;
  }
  throw new DepotError('EMBEDDED_POSTGRES', `PostgreSQL, process ${pid}, does not stop; see its log`);
};

const sendSignal = (pid: number, signalName: NodeJS.Signals): void => {
  try {
    process.kill(pid, signalName);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};
