/**
 * When the next plan is made: soon after an event, once for all events until then, and after a tick while only time can tell.
 *
 * PTM1. Planning takes a bounded share of the process's time: after a plan that took t none follows for {@link REST_FACTOR} × t.
 */
import type { Clock } from '../../lib/clock.ts';

const REST_FACTOR = 4;
const MAX_REST_MS = 2_000;

export type PlanTimer = {
  /** An event: a plan is made as soon as it may. */
  readonly soon: () => void;
  /** A plan is made after this time, unless an event comes first. */
  readonly within: (ms: number) => void;
  /** Whether an event waits for its plan. */
  readonly isDue: () => boolean;
};

export const createPlanTimer = (
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  /** Does not throw. */
  plan: () => void,
): PlanTimer => {
  let next: { readonly atMs: number; isEvent: boolean; readonly cancel: AbortController } | undefined;
  let restUntilMs = Number.NEGATIVE_INFINITY;

  const run = (): void => {
    next = undefined;
    const beganMs = clock.monotonicMs();
    plan();
    const endedMs = clock.monotonicMs();
    restUntilMs = endedMs + Math.min(MAX_REST_MS, REST_FACTOR * (endedMs - beganMs));
  };

  const after = (ms: number, isEvent: boolean): void => {
    if (signal.aborted) return;
    const nowMs = clock.monotonicMs();
    const atMs = Math.max(nowMs + ms, restUntilMs);
    if (next !== undefined && next.atMs <= atMs) {
      next.isEvent ||= isEvent;
      return;
    }
    next?.cancel.abort();
    const cancel = new AbortController();
    next = { atMs, isEvent: isEvent || next?.isEvent === true, cancel };
    const until = AbortSignal.any([signal, cancel.signal]);
    void clock.sleep(atMs - nowMs, { signal: until }).then(run, () => undefined);
  };

  return {
    soon: () => after(0, true),
    within: ms => after(ms, false),
    isDue: () => next?.isEvent === true,
  };
};
