/**
 * The back-off of a failed background task (P6): within a second, then less and less often.
 *
 *     failures in a row ─▶ afterFailure() ─▶ wait, never longer than the period or a minute
 *
 * AF1. The first wait is at most one second: a database that fails over is away for seconds, a period is minutes.
 * AF2. A wait is never longer than the period, and never longer than {@link AFTER_FAILURE_MAX_MS}: a task with a period
 *      of hours notices within a minute that its fault is over.
 * AF3. The upper half of each wait is random, so that the tasks of several Nexuses do not return together.
 */
export const AFTER_FAILURE_FIRST_MS = 1_000;
export const AFTER_FAILURE_MAX_MS = 60_000;

/**
 * @param failures activations in a row that failed, at least 1
 * @param random a number in [0, 1)
 */
export const afterFailure = (failures: number, periodMs: number, random: number): number => {
  const longestMs = Math.min(periodMs, AFTER_FAILURE_MAX_MS);
  const fullMs = Math.min(longestMs, AFTER_FAILURE_FIRST_MS * 2 ** Math.min(failures - 1, 30));
  return Math.max(1, Math.round(fullMs / 2 + (fullMs / 2) * random));
};
