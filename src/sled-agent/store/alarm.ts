/** An alarm that fires when the next of some waits is over; set again after each change of them. */
import type { Clock } from '../../lib/clock.ts';

export type Alarm = Disposable & { readonly set: () => void };

/** @param nextMs from now; undefined while nothing waits */
export const createAlarm = (clock: Clock, nextMs: () => number | undefined, ring: () => void): Alarm => {
  let sleep = new AbortController();
  let isOff = false;
  return {
    set() {
      sleep.abort();
      const waitMs = nextMs();
      if (waitMs === undefined || isOff) return;
      sleep = new AbortController();
      clock.sleep(waitMs, { signal: sleep.signal }).then(ring, () => undefined);
    },
    [Symbol.dispose]() {
      isOff = true;
      sleep.abort();
    },
  };
};
