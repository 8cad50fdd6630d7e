/** The requests that run at once, for each peer and in all: more are refused at once, and do not wait. */
import { DepotError } from '../lib/errors.ts';
import { RETRY_AFTER_DETAIL } from './answers.ts';
import { createPlaces, isPlace, type KnownPeers, type Place, type PlaceLimits } from './places.ts';

/** Most requests take less. */
const RETRY_AFTER_S = 1;

export type RequestPlaces = {
  /** @throws DepotError `TOO_MANY_REQUESTS` */
  readonly take: (address: string | undefined) => Place;
};

export const createRequestPlaces = (limits: PlaceLimits, known?: KnownPeers): RequestPlaces => {
  const places = createPlaces(limits, known);
  return {
    take(address) {
      const place = places.take(address);
      if (isPlace(place)) return place;
      const whose = place.because === 'peer' ? `of ${place.peer}` : 'of all callers';
      throw new DepotError(
        'TOO_MANY_REQUESTS',
        `as many requests ${whose} are running as this server allows; send it again later`,
        { detail: { [RETRY_AFTER_DETAIL]: RETRY_AFTER_S } },
      );
    },
  };
};
