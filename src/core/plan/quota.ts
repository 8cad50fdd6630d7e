/**
 * The places for transfers: of this Nexus in all and for puts, to each sled and from each source. Those under way have theirs.
 *
 * QU1. Few transfers at a time fill a fleet fastest: a copy at half the rate can be passed on only after twice the time.
 * QU2. A small artifact takes a share of a place: its time is that of its requests, not of its bytes.
 * QU3. So does a transfer that lasts longer than it should: a slow sled must not keep the places of the others (G8). It has
 *      its share until it ends, so that slow transfers are bounded too.
 */
import type { SledId } from '../ids.ts';
import { isListing } from '../inventory.ts';
import { type PlanInput, pairKey, type TransferUnderWay } from './input.ts';

/** A place has this many shares. */
const SHARES = 4;
/** On a link of 100 Mbit/s it takes 84 ms, less than the requests around it may. */
export const SMALL_ARTIFACT_BYTES = 1024 * 1024;
/** What a transfer may take beside the time for its bytes: a slow disk's, for their names. */
const PATIENCE_MS = 5_000;
/** Its bytes may take so many times as long as those of most transfers. */
const PATIENCE_FACTOR = 4;
/** Of most transfers, before one has ended: that of a slow link, of 8 Mbit/s. */
const SLOW_BYTES_PER_MS = 1024;

type Timed = Pick<TransferUnderWay, 'sizeBytes' | 'startedMs'>;

/** QU3 @param typicalBytesPerMs the rate of most transfers, if one has ended */
export const isOverdue = (
  { sizeBytes, startedMs }: Timed,
  { nowMs, typicalBytesPerMs = SLOW_BYTES_PER_MS }: Pick<PlanInput, 'nowMs' | 'typicalBytesPerMs'>,
): boolean => nowMs - startedMs > PATIENCE_MS + (PATIENCE_FACTOR * sizeBytes) / typicalBytesPerMs;

export type Quota = {
  /** Takes a place for a transfer to `target`, from `source` or else from an archive; false when one is lacking. */
  readonly take: (target: SledId, sizeBytes: number, source?: SledId) => boolean;
  /** False when the sled, or this Nexus, takes nothing more. */
  readonly mayReceive: (sled: SledId) => boolean;
  /** Whether a copy from the sled may begin. */
  readonly maySend: (sled: SledId) => boolean;
  /** Whether a put may begin. */
  readonly mayPut: () => boolean;
  /** Shares that are taken, of transfers to the sled. */
  readonly incoming: (sled: SledId) => number;
  /** The same of copies from it. */
  readonly outgoing: (sled: SledId) => number;
};

export const createQuota = (input: PlanInput): Quota => {
  const { limits } = input.policy;
  const total = places(limits.maxTransfers);
  const puts = places(limits.maxPuts);
  const outgoing = new Map<SledId, number>();
  const incoming = new Map<SledId, number>();
  const count = (target: SledId, source: SledId | undefined, shares: number): void => {
    total.taken += shares;
    add(incoming, target, shares);
    if (source === undefined) puts.taken += shares;
    else add(outgoing, source, shares);
  };
  const sharesOf = (sizeBytes: number): number => (sizeBytes < limits.smallBytes ? 1 : SHARES);
  const isFree = (taken: ReadonlyMap<SledId, number>, sled: SledId, limit: number): boolean =>
    (taken.get(sled) ?? 0) < limit * SHARES;

  const known = new Set<string>();
  for (const transfer of input.underWay) {
    known.add(pairKey(transfer.sledId, transfer.sha256));
    const isSlow = isOverdue(transfer, input);
    count(transfer.sledId, transfer.source, isSlow ? 1 : sharesOf(transfer.sizeBytes));
  }
  // Copies that another Nexus has ordered, or this one before a restart.
  for (const { id, answer } of input.sleds)
    if (isListing(answer))
      for (const sha256 of answer.copiesInFlight)
        if (!known.has(pairKey(id, sha256))) add(incoming, id, SHARES);

  const mayReceive = (sled: SledId) => isLeft(total) && isFree(incoming, sled, limits.maxTransfersToSled);
  const maySend = (sled: SledId) => isFree(outgoing, sled, limits.maxCopiesFromSource);
  return {
    take(target, sizeBytes, source) {
      const hasSource = source === undefined ? isLeft(puts) : maySend(source);
      if (!hasSource || !mayReceive(target)) return false;
      count(target, source, sharesOf(sizeBytes));
      return true;
    },
    mayReceive,
    maySend,
    mayPut: () => isLeft(puts),
    incoming: sled => incoming.get(sled) ?? 0,
    outgoing: sled => outgoing.get(sled) ?? 0,
  };
};

type Places = { taken: number; readonly shares: number };

const places = (limit: number): Places => ({ taken: 0, shares: limit * SHARES });
const isLeft = ({ taken, shares }: Places): boolean => taken < shares;
const add = (taken: Map<SledId, number>, sled: SledId, shares: number): void =>
  void taken.set(sled, (taken.get(sled) ?? 0) + shares);
