/**
 * A sled's limit on load (B14): a request that finds no slot is answered 429, and does not wait.
 *
 * SO1. A stranger or another sled has at most half of the slots, and all of them together leave a quarter for the Nexuses, so that
 *      slow ones do not keep them all (places.ts).
 */
import { RETRY_AFTER_DETAIL } from '../http/answers.ts';
import { type Claimant, createPlaces, isPlace, type KnownPeers, noKnownPeers } from '../http/places.ts';
import { DepotError } from '../lib/errors.ts';

/** Long enough for a small artifact to pass, short enough to keep the sled busy. */
const RETRY_AFTER_S = 1;

export type Slots = {
  /** @throws `SLED_BUSY` */
  readonly take: (claimant: Claimant) => Disposable;
  readonly taken: () => number;
};

/** @param what for the message, as in "4 puts are in flight" */
export const createSlots = (limit: number, what: string, known: KnownPeers = noKnownPeers): Slots => {
  const bounds = { total: limit, perPeer: Math.ceil(limit / 2), kept: Math.floor(limit / 4) };
  const places = createPlaces(bounds, known);
  return {
    take(claimant) {
      const place = places.take(claimant);
      if (isPlace(place)) return place;
      const whose = { peer: ` for ${place.peer}`, strangers: ' for others than its Nexuses', all: '' }[
        place.because
      ];
      throw new DepotError(
        'SLED_BUSY',
        `${places.taken()} ${what} are in flight on this sled, as many as it allows${whose}; retry later`,
        { detail: { limit, [RETRY_AFTER_DETAIL]: RETRY_AFTER_S } },
      );
    },
    taken: places.taken,
  };
};
