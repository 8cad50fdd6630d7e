/** Limits the rate of reads or transfers: waits on the clock after bytes have passed. */
import type { Clock } from './clock.ts';

export type Pacer = {
  /** Resolves when this many more bytes may pass; rejects with the signal's reason. */
  readonly passed: (bytes: number, options: { signal: AbortSignal }) => Promise<void>;
};

/** A shorter wait is added to the next one, so a burst is at most a 20th of a second's worth. */
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
