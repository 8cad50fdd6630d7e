/** A clock that moves only when the test advances it. */
import type { Clock } from './clock.ts';

export type TestClock = Clock & {
  /** Advances both clocks and ends the sleeps that are due, the earliest first. */
  readonly advance: (ms: number) => Promise<void>;
  /** The number of pending sleeps. */
  readonly sleeping: () => number;
};

type Sleep = { readonly untilMs: number; readonly wake: () => void };

export const createTestClock = (startMs = Date.parse('2026-01-01T00:00:00Z')): TestClock => {
  let elapsedMs = 0;
  const sleeps = new Set<Sleep>();
  const sleep: Clock['sleep'] = (ms, { signal }) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const entry: Sleep = {
        untilMs: elapsedMs + ms,
        wake() {
          sleeps.delete(entry);
          signal.removeEventListener('abort', abandon);
          resolve();
        },
      };
      const abandon = (): void => {
        sleeps.delete(entry);
        reject(signal.reason);
      };
      signal.addEventListener('abort', abandon, { once: true });
      sleeps.add(entry);
    });
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep,
    timeout(ms) {
      const controller = new AbortController();
      const never = new AbortController().signal;
      void sleep(ms, { signal: never }).then(() => controller.abort(new Error(`${ms} ms are over`)));
      return controller.signal;
    },
    sleeping: () => sleeps.size,
    async advance(ms) {
      const targetMs = elapsedMs + ms;
      for (;;) {
        const due = [...sleeps].filter(({ untilMs }) => untilMs <= targetMs);
        const next = due.sort((a, b) => a.untilMs - b.untilMs)[0];
        if (next === undefined) break;
        elapsedMs = Math.max(elapsedMs, next.untilMs);
        next.wake();
        // A woken sleeper may sleep again before the target.
        for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve));
      }
      elapsedMs = targetMs;
    },
  };
};
