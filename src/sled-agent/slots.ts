/** A sled's limit on load (B14): who finds every slot taken is told to come later, and does not wait in line. */
import { RETRY_AFTER_DETAIL } from '../http/answers.ts';
import { DepotError } from '../lib/errors.ts';

/** Long enough for a small artifact to pass, short enough to keep the sled busy. */
const RETRY_AFTER_S = 1;

export type Slots = {
  /** @throws `SLED_BUSY` */
  readonly take: () => Disposable;
  readonly taken: () => number;
};

/** @param what for the message, as in "4 puts are under way" */
export const createSlots = (limit: number, what: string): Slots => {
  let taken = 0;
  return {
    take() {
      if (taken >= limit)
        throw new DepotError('SLED_BUSY', `${taken} ${what} are under way on this sled; come again later`, {
          detail: { limit, [RETRY_AFTER_DETAIL]: RETRY_AFTER_S },
        });
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
