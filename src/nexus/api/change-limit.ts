/**
 * Which changed registrations are recorded in the history, and begin a round: anybody may send them, as often as they like.
 *
 * CHL1. A sled that changes now and then is never held back, and neither is a whole fleet that starts at once. One id that
 *      changes all the time, and any number of ids together, are: so the history keeps its other events, and rounds are not
 *      begun one after the other. The registration itself is recorded in any case, and the next periodic round uses it.
 */
import type { Clock } from '../../lib/clock.ts';
import { type AdmitEvent, createSledAllowance } from '../history/sled-allowance.ts';

const CHANGES = {
  /** A disk that comes and goes, or a sled agent that is restarted by hand, changes less often. */
  ofSled: { burst: 16, everyMs: 60_000 },
  /** A fleet of 1,000 sleds starts twice; then 8,640 a day, of the 200,000 events that the history has by default. */
  ofAll: { burst: 2_048, everyMs: 10_000 },
};

export const createChangeLimit = (clock: Pick<Clock, 'monotonicMs'>): AdmitEvent =>
  createSledAllowance(clock, CHANGES);
