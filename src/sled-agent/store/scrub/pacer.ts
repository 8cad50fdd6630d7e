/** Keeps reading below a rate, by waiting on the clock after what has passed. */
import type { Clock } from '../../../lib/clock.ts';

export type Pacer = {
  /** Resolves when so many more bytes may have passed; rejects with the signal's reason. */
  readonly passed: (bytes: number, options: { signal: AbortSignal }) => Promise<void>;
};

/** A shorter wait is not worth its timer and is kept for the next: a burst is a 20th of a second's worth. */
const LEAST_WAIT_MS = 50;

export const createPacer = (clock: Clock, bytesPerSecond: number): Pacer => {
  let dueMs = 0;
  return {
    async passed(bytes, { signal }) {
      const nowMs = clock.monotonicMs();
      dueMs = Math.max(dueMs, nowMs) + (bytes / bytesPerSecond) * 1_000;
      signal.throwIfAborted();
      if (dueMs - nowMs >= LEAST_WAIT_MS) await clock.sleep(dueMs - nowMs, { signal });
    },
  };
};
