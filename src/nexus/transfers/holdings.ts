/**
 * What the sleds hold now, as far as this Nexus knows: their listings of the last round, and what has ended since it began.
 *
 *     census (a round) ─▶ listings ─┐
 *     transfers that have ended ────┴─▶ sleds now, what each lacks ─▶ the next transfers
 *
 * HLD1. It decides which transfers begin. What counts for a drop or a status is listings alone (R2).
 * HLD2. What ended before a census began is in its listings, and is forgotten; what ended later is added to them.
 * HLD3. A sled that turned out to be unreachable, or at another point, is left out until the next census (R4).
 */
import type { ArtifactHash, SledId } from '../../core/ids.ts';
import { type InventorySled, isListing, type SledListing } from '../../core/inventory.ts';
import { type Pair, pairKey } from '../../core/plan/input.ts';
import { createShortfall } from './shortfall.ts';

export type Census = {
  /** On the monotonic clock, before the first sled was asked. */
  readonly beganMs: number;
  /** Hash to length in bytes. */
  readonly wanted: ReadonlyMap<ArtifactHash, number>;
  readonly sleds: readonly InventorySled[];
};

/** On how many datasets a sled holds an artifact after a transfer. */
type Arrival = Pair & { readonly copies: number; readonly endedMs: number };

/** A sled that takes part. Its holdings are those of its listing until something arrives: large fleets rest. */
type Live = InventorySled & {
  readonly answer: SledListing;
  own: { readonly held: Map<ArtifactHash, number>; readonly copiesInFlight: Set<ArtifactHash> } | undefined;
};

export type Holdings = {
  readonly follow: (census: Census) => void;
  /**
   * Its copy, or its put, has ended; with `copies`, the sled holds it on so many datasets.
   * @returns false for a sled that takes part and has more datasets than that
   */
  readonly ended: (pair: Pair, endedMs: number, copies: number | undefined) => boolean;
  /** HLD3 */
  readonly leaveOut: (id: SledId) => void;
  readonly sleds: () => readonly InventorySled[];
  /** Artifacts that a sled which takes part lacks on a dataset, with their lengths; rarest first, then the larger ones. */
  readonly open: () => readonly (readonly [ArtifactHash, number])[];
  /** Whether a sled that takes part lacks anything. */
  readonly isShort: (id: SledId) => boolean;
  readonly isAnyShort: () => boolean;
};

export const createHoldings = (): Holdings => {
  let sleds: readonly InventorySled[] = [];
  let live = new Map<SledId, Live>();
  let wanted: ReadonlyMap<ArtifactHash, number> = new Map();
  let shortfall = createShortfall();
  const arrivals = new Map<string, Arrival>();

  const arrived = ({ sledId, sha256, copies: now }: Arrival): void => {
    const sled = live.get(sledId);
    if (sled === undefined) return;
    const { held, copiesInFlight } = ownOf(sled);
    copiesInFlight.delete(sha256);
    const before = held.get(sha256) ?? 0;
    if (now <= before || !wanted.has(sha256)) return;
    held.set(sha256, now);
    shortfall.changed(sledId, sha256, { before, now, datasets: sled.answer.datasets });
  };

  return {
    follow(census) {
      wanted = census.wanted;
      shortfall = createShortfall();
      live = new Map(census.sleds.flatMap(sled => liveOf(sled) ?? []).map(sled => [sled.id, sled]));
      sleds = census.sleds.map(sled => live.get(sled.id) ?? sled);
      for (const { id, answer } of live.values())
        for (const sha256 of wanted.keys()) {
          const now = answer.held.get(sha256) ?? 0;
          shortfall.changed(id, sha256, { before: 0, now, datasets: answer.datasets });
        }
      for (const [key, arrival] of arrivals)
        if (arrival.endedMs < census.beganMs) arrivals.delete(key);
        else arrived(arrival);
    },
    ended({ sledId, sha256 }, endedMs, copies = 0) {
      const arrival = { sledId, sha256, endedMs, copies };
      arrivals.set(pairKey(sledId, sha256), arrival);
      arrived(arrival);
      return !shortfall.isLacking(sledId, sha256);
    },
    leaveOut(id) {
      const sled = live.get(id);
      if (sled === undefined) return;
      live.delete(id);
      sleds = sleds.filter(each => each.id !== id);
      shortfall.remove(id, sled.answer.held.keys());
    },
    sleds: () => sleds,
    open: () => shortfall.open(wanted),
    isShort: id => shortfall.isShort(id),
    isAnyShort: () => shortfall.isAnyShort(),
  };
};

const liveOf = (sled: InventorySled): Live | undefined =>
  isListing(sled.answer) ? { ...sled, answer: { ...sled.answer }, own: undefined } : undefined;

const ownOf = (sled: Live): NonNullable<Live['own']> => {
  if (sled.own === undefined) {
    sled.own = { held: new Map(sled.answer.held), copiesInFlight: new Set(sled.answer.copiesInFlight) };
    Object.assign(sled.answer, sled.own);
  }
  return sled.own;
};
