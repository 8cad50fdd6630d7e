/**
 * A sled's limit on load (B14): a request that finds no slot is answered 429, and does not wait.
 *
 * SO1. A stranger has at most half of the slots, and all strangers together leave a quarter for the configured Nexuses, so that
 *      slow strangers do not keep them all (places.ts).
 */
import { RETRY_AFTER_DETAIL } from '../http/answers.ts';
import { createPlaces, isPlace, type KnownPeers, noKnownPeers } from '../http/places.ts';
import { DepotError } from '../lib/errors.ts';

/** Long enough for a small artifact to pass, short enough to keep the sled busy. */
const RETRY_AFTER_S = 1;

export type Slots = {
  /** @param address of the caller; undefined for one in this process. @throws `SLED_BUSY` */
  readonly take: (address: string | undefined) => Disposable;
  readonly taken: () => number;
};

/** @param what for the message, as in "4 puts are in flight" */
export const createSlots = (limit: number, what: string, known: KnownPeers = noKnownPeers): Slots => {
  const bounds = { total: limit, perPeer: Math.ceil(limit / 2), kept: Math.floor(limit / 4) };
  const places = createPlaces(bounds, known);
  return {
    take(address) {
      const place = places.take(address);
      if (isPlace(place)) return place;
      const others = places.taken() < limit ? ' for others than its Nexuses' : '';
      const whose = place.because === 'peer' ? ` for ${place.peer}` : others;
      throw new DepotError(
        'SLED_BUSY',
        `${places.taken()} ${what} are in flight on this sled, as many as it allows${whose}; retry later`,
        { detail: { limit, [RETRY_AFTER_DETAIL]: RETRY_AFTER_S } },
      );
    },
    taken: places.taken,
  };
};
