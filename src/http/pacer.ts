/** Limits the rate of all transfers together: waits after bytes have passed. */
import { setTimeout as delay } from 'node:timers/promises';

export type Pacer = {
  /** Resolves when this many more bytes may pass; rejects with the signal's reason. */
  readonly passed: (bytes: number, options: { signal: AbortSignal }) => Promise<void>;
};

/** A shorter wait is added to the next one. */
const LEAST_WAIT_MS = 5;

/** Without a rate there is no wait. */
export const createPacer = (maxBytesPerSecond: number | undefined): Pacer => {
  let dueMs = 0;
  return {
    async passed(bytes, { signal }) {
      if (maxBytesPerSecond === undefined) return;
      const nowMs = performance.now();
      dueMs = Math.max(dueMs, nowMs) + (bytes / maxBytesPerSecond) * 1000;
      const waitMs = dueMs - nowMs;
      if (waitMs < LEAST_WAIT_MS) return;
      await delay(waitMs, undefined, { signal }).catch(() => {
        throw signal.reason;
      });
    },
  };
};
