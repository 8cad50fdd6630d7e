/**
 * How many events of a kind are recorded of one sled, and of all sleds together: what a sled says, or how it fails, must not push out
 * the events of the others.
 *
 * SAL1. Each sled has a burst, and one more in each period; so have all sleds together, since where sleds without an identity register
 *      one process may name any number of them.
 */
import type { SledId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';

/** An id that is forgotten has its whole allowance again, within that of all. */
const MAX_IDS = 4_096;

/** `burst` at once, and one more in each `everyMs`. */
export type Allowance = { readonly burst: number; readonly everyMs: number };

/** Counts the event if it returns true. */
export type AdmitEvent = (id: SledId) => boolean;

export const createSledAllowance = (
  clock: Pick<Clock, 'monotonicMs'>,
  { ofSled, ofAll }: { readonly ofSled: Allowance; readonly ofAll: Allowance },
): AdmitEvent => {
  const all = createAllowance(ofAll, clock);
  const bySled = new Map<SledId, () => boolean>();
  return id => {
    const own = bySled.get(id) ?? createAllowance(ofSled, clock);
    bySled.delete(id);
    bySled.set(id, own);
    for (const oldest of bySled.keys()) {
      if (bySled.size <= MAX_IDS) break;
      bySled.delete(oldest);
    }
    return own() && all();
  };
};

/** Counts an event if it returns true. */
export const createAllowance = (
  { burst, everyMs }: Allowance,
  clock: Pick<Clock, 'monotonicMs'>,
): (() => boolean) => {
  let left = burst;
  let sinceMs = clock.monotonicMs();
  return () => {
    const gained = Math.floor((clock.monotonicMs() - sinceMs) / everyMs);
    left = Math.min(burst, left + gained);
    sinceMs += gained * everyMs;
    if (left === 0) return false;
    left -= 1;
    return true;
  };
};
