/**
 * Bounded concurrency: at most `concurrency` functions run at once, the others wait in order.
 *
 * A waiter whose signal aborts leaves the queue and rejects with the signal's reason.
 */
export type Limiter = {
  readonly run: <T>(work: () => Promise<T>, options: { signal: AbortSignal }) => Promise<T>;
  readonly running: () => number;
  readonly waiting: () => number;
};

export const createLimiter = (concurrency: number): Limiter => {
  let running = 0;
  const queue: (() => void)[] = [];

  const acquire = (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    if (running < concurrency) {
      running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const abandon = () => {
        queue.splice(queue.indexOf(admit), 1);
        reject(signal.reason);
      };
      const admit = () => {
        signal.removeEventListener('abort', abandon);
        resolve();
      };
      signal.addEventListener('abort', abandon, { once: true });
      queue.push(admit);
    });
  };

  const release = () => {
    const next = queue.shift();
    // The slot passes directly to the next waiter, so no caller can overtake it.
    if (next === undefined) running -= 1;
    else next();
  };

  return {
    async run(work, { signal }) {
      await acquire(signal);
      try {
        return await work();
      } finally {
        release();
      }
    },
    running: () => running,
    waiting: () => queue.length,
  };
};
