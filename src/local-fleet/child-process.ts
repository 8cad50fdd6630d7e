/**
 * One process of a local fleet: starts it, waits until it is ready, stops it, and explains an unexpected exit.
 *
 *     spawn ─▶ ready file appears ─▶ … ─▶ SIGTERM ─▶ (grace) ─▶ SIGKILL
 *
 * CH1. A child has its own process group, so that Ctrl-C reaches only the launcher, which stops the children in order.
 * CH2. A child's standard input is a pipe that the launcher never writes to: it closes when the launcher ends, however that
 *      happens, and the child then stops by itself. Killing the launcher leaves no processes behind.
 * CH3. Standard error is appended to a log file; nothing that a child writes is lost.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, systemClock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { namingFull } from '../lib/real-disk.ts';

/** A process that is not ready by then counts as hanging. */
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 40;
/** From SIGTERM to SIGKILL: longer than the drain deadline of the servers. */
const STOP_GRACE_MS = 20_000;
/** How much of a log is read to explain an exit, and how many lines of it are shown. */
const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 12;

export type ChildSpec = {
  /** For people: `sled agent 2`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  /** The child writes this file when it is ready, with any content. */
  readonly readyFile: string;
};

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type Child = {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** The content of the child's ready file. */
  readonly ready: string;
  readonly exited: Promise<Exit>;
  /** Resolves when the process is gone. May be called again. */
  readonly stop: () => Promise<Exit>;
};

/**
 * Starts a process and waits until it is ready. On failure, and when the signal aborts, it is gone again.
 *
 * @throws `CHILD_FAILED` with the end of its log
 */
export const startChild = async (
  spec: ChildSpec,
  { signal, clock = systemClock }: { signal: AbortSignal; clock?: Clock },
): Promise<Child> => {
  signal.throwIfAborted();
  await rm(spec.readyFile, { force: true });
  const { process, pid, exited } = await spawnLogged(spec);
  const child = { name: spec.name, logFile: spec.logFile, exited, stop: () => stop(process, exited, clock) };
  try {
    const ready = await waitUntilReady(spec, exited, { signal, clock });
    return { ...child, pid, ready };
  } catch (error) {
    await child.stop();
    throw error;
  }
};

const spawnLogged = async (
  spec: Omit<ChildSpec, 'readyFile'>,
): Promise<{ process: ChildProcess; pid: number; exited: Promise<Exit> }> => {
  const log = await namingFull(dirname(spec.logFile), () => open(spec.logFile, 'a', 0o600));
  try {
    const process = spawn(spec.command, spec.args, { detached: true, stdio: ['pipe', log.fd, log.fd] });
    // The child may close its end first.
    process.stdin?.on('error', () => undefined);
    const exited = new Promise<Exit>(resolve => {
      process.once('exit', (code, signal) => resolve({ code, signal }));
      process.once('error', () => resolve({ code: null, signal: null }));
    });
    await new Promise<void>((resolve, reject) => {
      process.once('spawn', resolve);
      process.once('error', cause =>
        reject(new DepotError('CHILD_FAILED', `cannot start ${spec.name} (${spec.command})`, { cause })),
      );
    });
    const { pid } = process;
    assert(pid !== undefined, 'a process that was spawned has a pid');
    return { process, pid, exited };
  } finally {
    await log.close();
  }
};

/** Runs a process that exits by itself, such as a migration. @throws `CHILD_FAILED` unless it exits with 0 */
export const runChild = async (
  spec: Omit<ChildSpec, 'readyFile'>,
  { signal, clock = systemClock }: { signal: AbortSignal; clock?: Clock },
): Promise<void> => {
  signal.throwIfAborted();
  const { process, exited } = await spawnLogged(spec);
  const interrupt = () => void stop(process, exited, clock);
  signal.addEventListener('abort', interrupt, { once: true });
  if (signal.aborted) interrupt();
  const exit = await exited;
  signal.removeEventListener('abort', interrupt);
  process.stdin?.destroy();
  signal.throwIfAborted();
  if (exit.code !== 0) throw await exitError(spec, exit);
};

const waitUntilReady = async (
  spec: ChildSpec,
  exited: Promise<Exit>,
  { signal, clock }: { signal: AbortSignal; clock: Clock },
): Promise<string> => {
  let exit: Exit | undefined;
  void exited.then(outcome => {
    exit = outcome;
  });
  const deadlineMs = clock.monotonicMs() + READY_TIMEOUT_MS;
  for (;;) {
    const ready = await readFile(spec.readyFile, 'utf8').catch(() => '');
    if (ready !== '') return ready;
    if (exit !== undefined) throw await exitError(spec, exit);
    if (clock.monotonicMs() > deadlineMs) {
      throw new DepotError('CHILD_FAILED', `${spec.name} was not ready after ${READY_TIMEOUT_MS / 1000} s`, {
        cause: new Error(await logTail(spec.logFile)),
      });
    }
    await clock.sleep(READY_POLL_MS, { signal });
  }
};

/** The error for a process that exited unexpectedly; without exit status for another process's child. */
export const exitError = async (
  { name, logFile }: Pick<ChildSpec, 'name' | 'logFile'>,
  { code, signal }: Exit,
): Promise<DepotError> => {
  const how = signal !== null ? ` by ${signal}` : code !== null ? ` with exit code ${code}` : '';
  return new DepotError('CHILD_FAILED', `${name} ended unexpectedly${how}`, {
    cause: new Error(await logTail(logFile)),
    detail: { log_file: logFile, remedy: `read its log: ${logFile}` },
  });
};

/** The last lines of a log, joined by ` | `, since an error is one line. */
const logTail = async (logFile: string): Promise<string> => {
  const handle = await open(logFile, 'r');
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    await handle.read(buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString('utf8').trim().split('\n').slice(-TAIL_LINES).map(describeLogLine);
    return lines.length === 1 && lines[0] === '' ? 'it logged nothing' : lines.join(' | ');
  } finally {
    await handle.close();
  }
};

/** The message and error of a JSON log line; any other line unchanged. */
const describeLogLine = (line: string): string => {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter(part => part !== undefined).join(': ') || line;
  } catch {
    return line;
  }
};

const stop = async (process: ChildProcess, exited: Promise<Exit>, clock: Clock): Promise<Exit> => {
  if (process.pid === undefined || process.exitCode !== null || process.signalCode !== null) return exited;
  process.kill('SIGTERM');
  const timer = new AbortController();
  const late = clock.sleep(STOP_GRACE_MS, { signal: timer.signal }).then(
    () => void process.kill('SIGKILL'),
    () => undefined,
  );
  const exit = await exited;
  timer.abort();
  await late;
  process.stdin?.destroy();
  return exit;
};
