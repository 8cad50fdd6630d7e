/** A failure with its back-off: longer each time, and failures at the same time count once (M3). */
import type { Rng } from '../../core/rng.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';

/** `sinceMs` by the wall clock, for people; `untilMs` by the monotonic one (M6). */
export type Failure = {
  readonly failures: number;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly code: string;
  readonly because: string;
};

export const failAgain = (
  { clock, rng }: { readonly clock: Clock; readonly rng: Rng },
  before: Failure | undefined,
  error: unknown,
  limits: { readonly firstMs: number; readonly maxMs: number },
): Failure => {
  const nowMs = clock.monotonicMs();
  const told = { code: errorCodeOf(error), because: messageChain(error) };
  if (before !== undefined && before.untilMs > nowMs) return { ...before, ...told };
  const failures = (before?.failures ?? 0) + 1;
  return {
    failures,
    sinceMs: before?.sinceMs ?? clock.nowMs(),
    untilMs: nowMs + backoffMs(failures, limits, rng.next()),
    ...told,
  };
};

/** The back-off ends when the sled has space again (M5). */
export const isForRoom = (code: string): boolean => code === 'NO_SPACE' || code === 'NO_USABLE_DATASET';

export const isUnreachable = (code: string): boolean =>
  code === 'PEER_UNREACHABLE' || code === 'PEER_STALLED';

/** A copy that failed with one of these would have failed from any source. */
export const isAtTheSled = (code: string): boolean =>
  isForRoom(code) || code === 'IO' || code === 'SHUTTING_DOWN';
