/**
 * Threads that run seeds: each takes the next seed when it has finished its last one.
 *
 *     seeds ─▶ a free thread ─▶ its result          too long, or dead ─▶ a failure of that seed, and another thread
 *
 * PO1. Every seed that was taken has one result, even if its thread dies.
 */
import { Worker } from 'node:worker_threads';
import type { FleetSize } from '../../sim/script/swarm.ts';
import type { Violation } from '../../sim/violation.ts';
import type { SeedResult } from './search.ts';
import type { Answer, Task } from './worker.ts';

/** Of the wall clock: a run takes a fraction of a second, a large fleet on a busy machine some seconds. */
export const HANG_MS = 60_000;
/** A run of forty sleds needs a tenth of it. */
const MAX_HEAP_MIB = 1024;

/** The result of a seed in a thread, which may also be a hang. */
export type PooledResult = Omit<SeedResult, 'violation'> & {
  readonly violation: Violation | undefined;
  readonly isHang: boolean;
};

export type PoolOptions = {
  readonly threads: number;
  readonly seeds: Iterator<number>;
  readonly size: FleetSize;
  readonly signal: AbortSignal;
  readonly onResult: (result: PooledResult) => void;
  readonly hangMs?: number;
  /** The thread's module; another one in tests. */
  readonly entry?: URL;
};

/** For the modules of the product. */
const START_MS = 60_000;
const ENTRY = new URL('./worker.ts', import.meta.url);

/**
 * A thread that has loaded everything and waits for its first task.
 *
 * @throws if the thread does not start: then no other one would
 */
export const startThread = (entry = ENTRY): Promise<Worker> => {
  const worker = new Worker(entry, { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB } });
  const { promise, resolve, reject } = Promise.withResolvers<Worker>();
  const ended = (code: number) => reject(new Error(`a thread ended with ${code} while it started`));
  const timer = setTimeout(() => {
    void worker.terminate();
    reject(new Error(`a thread did not start within ${START_MS / 1000} s`));
  }, START_MS);
  worker.once('message', () => resolve(worker)).once('error', reject);
  worker.once('exit', ended);
  return promise.finally(() => {
    clearTimeout(timer);
    worker.off('error', reject).off('exit', ended);
  });
};

/** Resolves when no seeds are left, or soon after the signal, which aborts the runs in progress. */
export const runPool = async (options: PoolOptions): Promise<void> => {
  await Promise.all(Array.from({ length: options.threads }, () => runThread(options)));
};

const runThread = async (options: PoolOptions): Promise<void> => {
  const { seeds, signal, onResult, entry } = options;
  if (signal.aborted) return;
  let worker = await startThread(entry);
  try {
    while (!signal.aborted) {
      const next = seeds.next();
      if (next.done === true) return;
      const result = await runOn(worker, next.value, options);
      if (result === undefined) return;
      onResult(result);
      if (result.isAlive) continue;
      await worker.terminate();
      worker = await startThread(entry);
    }
  } finally {
    await worker.terminate();
  }
};

type ThreadResult = PooledResult & { readonly isAlive: boolean };

/** Undefined if it was aborted. */
const runOn = (worker: Worker, seed: number, options: PoolOptions): Promise<ThreadResult | undefined> => {
  const { size, signal, hangMs = HANG_MS } = options;
  const { promise, resolve } = Promise.withResolvers<ThreadResult | undefined>();
  const lost = { seed, reached: [], virtualMs: 0, events: 0, isAlive: false };
  const died = (error: unknown) =>
    resolve({
      ...lost,
      isHang: false,
      violation: { guarantee: 'bug', message: `its thread died: ${error}`, atMs: 0 },
    });
  const exited = (code: number) => died(`it ended with ${code}`);
  const answered = (answer: Answer) => {
    if (answer.kind === 'result') resolve({ ...answer.result, isHang: false, isAlive: true });
  };
  const abandon = () => resolve(undefined);
  const timer = setTimeout(() => resolve({ ...lost, violation: undefined, isHang: true }), hangMs);
  worker.on('message', answered).on('error', died).on('exit', exited);
  signal.addEventListener('abort', abandon, { once: true });
  worker.postMessage({ kind: 'run', seed, size } satisfies Task);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', abandon);
    worker.off('message', answered).off('error', died).off('exit', exited);
  });
};
