/** The requests that run at once, for each peer and in all: more are refused at once, and do not wait. */
import { DepotError } from '../lib/errors.ts';
import { RETRY_AFTER_DETAIL } from './answers.ts';
import {
  type Claimant,
  createPlaces,
  isPlace,
  type KnownPeers,
  type Place,
  type PlaceLimits,
} from './places.ts';

/** Most requests take less. */
const RETRY_AFTER_S = 1;

export type RequestPlaces = {
  /** @throws DepotError `TOO_MANY_REQUESTS` */
  readonly take: (claimant: Claimant) => Place;
};

export const createRequestPlaces = (limits: PlaceLimits, known?: KnownPeers): RequestPlaces => {
  const places = createPlaces(limits, known);
  return {
    take(claimant) {
      const place = places.take(claimant);
      if (isPlace(place)) return place;
      const whose = { peer: `of ${place.peer}`, strangers: 'of unknown callers', all: 'of all callers' }[
        place.because
      ];
      throw new DepotError(
        'TOO_MANY_REQUESTS',
        `as many requests ${whose} are running as this server allows; send it again later`,
        { detail: { [RETRY_AFTER_DETAIL]: RETRY_AFTER_S } },
      );
    },
  };
};
