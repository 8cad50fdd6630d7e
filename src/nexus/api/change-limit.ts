/**
 * Which changed registrations are recorded in the history, and begin a round: anybody may send them, as often as they like.
 *
 * CHL1. A sled that changes now and then is never held back, and neither is a whole fleet that starts at once. One id that
 *      changes all the time, and any number of ids together, are: so the history keeps its other events, and rounds are not
 *      begun one after the other. The registration itself is recorded in any case, and the next periodic round uses it.
 */
import type { SledId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';

/** A disk that comes and goes, or a sled agent that is restarted by hand, changes less often. */
const OF_A_SLED: Allowance = { burst: 16, everyMs: 60_000 };
/** A fleet of 1,000 sleds starts twice; then 8,640 a day, of the 200,000 events that the history has by default. */
const OF_ALL: Allowance = { burst: 2_048, everyMs: 10_000 };
/** An id that is forgotten has its whole allowance again, within that of all. */
const MAX_IDS = 4_096;

/** `burst` at once, and one more in each `everyMs`. */
type Allowance = { readonly burst: number; readonly everyMs: number };

export type ChangeLimit = { readonly admit: (id: SledId) => boolean };

export const createChangeLimit = (clock: Pick<Clock, 'monotonicMs'>): ChangeLimit => {
  const all = createAllowance(OF_ALL, clock);
  const bySled = new Map<SledId, ReturnType<typeof createAllowance>>();
  return {
    admit(id) {
      const own = bySled.get(id) ?? createAllowance(OF_A_SLED, clock);
      bySled.delete(id);
      bySled.set(id, own);
      for (const oldest of bySled.keys()) {
        if (bySled.size <= MAX_IDS) break;
        bySled.delete(oldest);
      }
      return own() && all();
    },
  };
};

const createAllowance = (
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
