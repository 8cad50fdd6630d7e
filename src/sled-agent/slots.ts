/** A sled's limit on load (B14): a request that finds every slot taken is answered 429, and does not wait. */
import { RETRY_AFTER_DETAIL } from '../http/answers.ts';
import { DepotError } from '../lib/errors.ts';

/** Long enough for a small artifact to pass, short enough to keep the sled busy. */
const RETRY_AFTER_S = 1;

export type Slots = {
  /** @throws `SLED_BUSY` */
  readonly take: () => Disposable;
  readonly taken: () => number;
};

/** @param what for the message, as in "4 puts are in flight" */
export const createSlots = (limit: number, what: string): Slots => {
  let taken = 0;
  return {
    take() {
      if (taken >= limit)
        throw new DepotError(
          'SLED_BUSY',
          `${taken} ${what} are in flight on this sled, as many as it allows; retry later`,
          {
            detail: { limit, [RETRY_AFTER_DETAIL]: RETRY_AFTER_S },
          },
        );
      taken += 1;
      let isHeld = true;
      return {
        [Symbol.dispose]() {
          if (isHeld) taken -= 1;
          isHeld = false;
        },
      };
    },
    taken: () => taken,
  };
};
