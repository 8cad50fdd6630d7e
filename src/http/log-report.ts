/** What others can cause without end is logged once in an interval: a hostile peer must not fill the log. */
import type { Logger } from '../lib/log.ts';

const LOG_EVERY_MS = 60_000;

export type Report = (facts: object, what: string) => void;

/** Logs the first one of an interval, with the number of those since the last line. */
export const createReport = (
  log: Pick<Logger, 'warn'>,
  monotonicMs: () => number = () => performance.now(),
): Report => {
  let lastMs = Number.NEGATIVE_INFINITY;
  let unreported = 0;
  return (facts, what) => {
    unreported += 1;
    const nowMs = monotonicMs();
    if (nowMs - lastMs < LOG_EVERY_MS) return;
    log.warn({ ...facts, times: unreported }, what);
    lastMs = nowMs;
    unreported = 0;
  };
};
