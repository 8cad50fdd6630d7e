/**
 * The time of the next round (P6): the only retry there is.
 *
 * Progress means that the sleds hold more than the last time. While there is progress, deferred requests follow at once;
 * while something is in flight without progress, the wait doubles; with nothing to wait for, the wait is the period.
 */
const LOOK_AGAIN_FIRST_MS = 1_000;
const LOOK_AGAIN_MAX_MS = 15_000;
/** At once, but not in a loop that starves everything else. */
export const LOOK_AGAIN_AT_ONCE_MS = 20;

export type RoundOutcome = {
  readonly nowMs: number;
  /** The sleds hold more than in the round before, or confirmed writes in this one. */
  readonly progress: boolean;
  /** Requests that a limit left over. */
  readonly deferred: number;
  /** Transfers that continue after the round, and requests whose outcome a later listing will have. */
  readonly underWay: boolean;
  /** The round is known to be out of date: a sled knows a newer generation, or what has arrived is in no listing yet. */
  readonly outdated: boolean;
  /** The end of the earliest back-off, of a transfer or of an unreachable sled. */
  readonly nextAttemptMs: number | undefined;
};

export type LookAgain = { readonly againInMs: number | undefined; readonly waitMs: number };

/** @param waitMs the wait of the round before, from its result; 0 at first */
export const lookAgain = (outcome: RoundOutcome, waitMs: number): LookAgain => {
  const doubled =
    outcome.progress || waitMs === 0 ? LOOK_AGAIN_FIRST_MS : Math.min(waitMs * 2, LOOK_AGAIN_MAX_MS);
  const waits: number[] = [];
  if (outcome.outdated || (outcome.deferred > 0 && outcome.progress)) waits.push(LOOK_AGAIN_AT_ONCE_MS);
  const waiting = outcome.underWay || outcome.deferred > 0;
  if (waiting) waits.push(doubled);
  if (outcome.nextAttemptMs !== undefined) {
    waits.push(Math.max(LOOK_AGAIN_AT_ONCE_MS, outcome.nextAttemptMs - outcome.nowMs));
  }
  return {
    againInMs: waits.length === 0 ? undefined : Math.min(...waits),
    waitMs: waiting ? doubled : 0,
  };
};
