/**
 * Work in a thread of its own: it never blocks the event loop of the caller.
 *
 *     startThread() ─▶ outcomeOf(): message* ─▶ resolve | reject ─▶ the thread has ended
 */
import { Worker } from 'node:worker_threads';

/** For metadata of the largest size; a thread that needs more dies without affecting the process. */
const MAX_HEAP_MIB = 1024;

/**
 * @param parentUrl `import.meta.url` of the caller
 * @param name of the module beside it, without its ending: it runs from source and from the compiled package
 */
export const startThread = (parentUrl: string, name: string, workerData: unknown): Worker =>
  new Worker(new URL(`./${name}${parentUrl.endsWith('.ts') ? '.ts' : '.js'}`, parentUrl), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
  });

export type Outcome<Result> = {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Waits for the outcome of a thread. When the promise settles, however it does, the thread has ended.
 *
 * @throws the rejection, the signal's reason, or `died` for a thread that ends without an outcome
 */
export const outcomeOf = async <Message, Result>(
  worker: Worker,
  {
    signal,
    died,
    onMessage,
  }: {
    readonly signal: AbortSignal;
    readonly died: (cause: unknown) => Error;
    readonly onMessage: (message: Message, outcome: Outcome<Result>) => void;
  },
): Promise<Result> => {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const outcome = { resolve, reject };
  const abort = () => reject(signal.reason);
  worker.on('message', (message: Message) => onMessage(message, outcome));
  const end = (cause?: unknown) => reject(died(cause));
  worker.on('error', end).on('messageerror', end);
  worker.on('exit', () => end());
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
    await worker.terminate();
  }
};
