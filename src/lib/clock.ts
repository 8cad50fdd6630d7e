import { setTimeout as delay } from 'node:timers/promises';

/** Time, passed in wherever it matters, so that tests and the simulator control it. */
export type Clock = {
  /** Wall-clock time in milliseconds since the epoch: for people and records, may jump. */
  readonly nowMs: () => number;
  /** Milliseconds since an arbitrary start; never jumps: for deadlines and durations. */
  readonly monotonicMs: () => number;
  /** Resolves after `ms` on the monotonic clock; rejects with the signal's reason when it aborts. */
  readonly sleep: (ms: number, options: { signal: AbortSignal }) => Promise<void>;
  /** Aborts after `ms` on the monotonic clock. */
  readonly timeout: (ms: number) => AbortSignal;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  // Node rejects with an error of its own around the reason.
  sleep: (ms, { signal }) =>
    delay(ms, undefined, { signal }).catch(() => {
      throw signal.reason;
    }),
  timeout: ms => AbortSignal.timeout(ms),
};

/** ISO 8601 in UTC, as the APIs carry it. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();

const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * Of a valid ISO 8601 text. A time before 1970, or after 9999 in UTC, comes from a wrong clock and becomes the nearest one
 * between them: some of these times could not be written back.
 */
export const msOfIso = (text: string): number => Math.min(LAST_MS, Math.max(0, Date.parse(text)));
