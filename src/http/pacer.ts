/** Keeps a sum of transfers below a rate, by waiting after what has passed. */
import { setTimeout as delay } from 'node:timers/promises';

export type Pacer = {
  /** Resolves when this many more bytes may pass; rejects with the signal's reason. */
  readonly passed: (bytes: number, options: { signal: AbortSignal }) => Promise<void>;
};

/** Below this a wait is not worth its timer; it is kept for the next. */
const LEAST_WAIT_MS = 5;

/** Without a rate nothing is waited for. */
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
