/**
 * Limits of one round: requests in all, transfers to each sled and from each source.
 *
 * Few transfers at a time fill a fleet fastest: a copy at half the rate can be passed on only after twice the time.
 */
import type { SledId } from '../ids.ts';
import { type InventorySled, isListing } from '../inventory.ts';
import type { Pair, RequestLimits } from './input.ts';

export type Quota = {
  /** Takes one transfer to `target` (from `source`, if it is a sled); false when a limit is reached. */
  readonly take: (target: SledId, source?: SledId) => boolean;
  /** Transfers to a sled so far, in flight and planned. */
  readonly incoming: (sled: SledId) => number;
  /** Copies planned from a sled so far. */
  readonly outgoing: (sled: SledId) => number;
};

export const createQuota = (
  limits: RequestLimits,
  sleds: readonly InventorySled[],
  putsInFlight: readonly Pair[],
): Quota => {
  let requests = 0;
  const outgoing = new Map<SledId, number>();
  const incoming = new Map<SledId, number>();
  for (const sled of sleds)
    if (isListing(sled.answer)) incoming.set(sled.id, sled.answer.copiesInFlight.size);
  // Otherwise a slow sled would get more puts each round, until none are left for the others (G8).
  for (const { sledId } of putsInFlight) incoming.set(sledId, (incoming.get(sledId) ?? 0) + 1);

  return {
    take(target, source) {
      const to = incoming.get(target) ?? 0;
      const from = source === undefined ? 0 : (outgoing.get(source) ?? 0);
      if (requests >= limits.maxRequestsPerActivation) return false;
      if (to >= limits.maxTransfersToSled || from >= limits.maxCopiesFromSource) return false;
      requests += 1;
      incoming.set(target, to + 1);
      if (source !== undefined) outgoing.set(source, from + 1);
      return true;
    },
    incoming: sled => incoming.get(sled) ?? 0,
    outgoing: sled => outgoing.get(sled) ?? 0,
  };
};
