/**
 * The progress of each release: derived from the wanted set and the listings of the sleds, never stored.
 *
 * PR1. `safe`: at least `minSledReplication` sleds hold every artifact of the release (S24, G4). Counted by sled,
 *      not by artifact: the stricter of the two readings, so that any of those sleds alone can restore it.
 * PR2. `complete`: every in-service sled answered and holds every artifact on each of its datasets (S24).
 * PR3. The copies of a sled that did not answer do not count, and never lower the minimum (S7).
 */
import type { ArtifactHash, SledId, SystemVersion } from './ids.ts';
import {
  answeringSleds,
  type InventorySled,
  isListing,
  type Wanted,
  type WantedRelease,
} from './inventory.ts';

export type SledProgress = {
  readonly sledId: SledId;
  readonly answered: boolean;
  readonly artifactsWanted: number;
  /** On at least one dataset. */
  readonly artifactsHeld: number;
  /** On every usable dataset. */
  readonly artifactsHeldFully: number;
  readonly bytesWanted: number;
  readonly bytesHeld: number;
};

export type ReleaseProgress = {
  readonly systemVersion: SystemVersion;
  readonly safe: boolean;
  readonly complete: boolean;
  readonly artifacts: number;
  readonly sledsHoldingAll: number;
  readonly copiesWanted: number;
  readonly copiesHeld: number;
  readonly bytesWanted: number;
  readonly bytesHeld: number;
  readonly sleds: readonly SledProgress[];
};

export const sledProgress = (
  sled: InventorySled,
  hashes: ReadonlySet<ArtifactHash> | ReadonlyMap<ArtifactHash, number>,
  sizes: ReadonlyMap<ArtifactHash, number>,
): SledProgress => {
  let artifactsHeld = 0;
  let artifactsHeldFully = 0;
  let bytesWanted = 0;
  let bytesHeld = 0;
  for (const hash of hashes.keys()) {
    const size = sizes.get(hash) ?? 0;
    bytesWanted += size;
    if (!isListing(sled.answer)) continue;
    const copies = sled.answer.held.get(hash) ?? 0;
    if (copies === 0) continue;
    artifactsHeld += 1;
    bytesHeld += size;
    if (copies >= sled.answer.datasets) artifactsHeldFully += 1;
  }
  const artifactsWanted = hashes.size;
  const answered = isListing(sled.answer);
  return {
    sledId: sled.id,
    answered,
    artifactsWanted,
    artifactsHeld,
    artifactsHeldFully,
    bytesWanted,
    bytesHeld,
  };
};

export const releaseProgress = (
  release: WantedRelease,
  wanted: Wanted,
  sleds: readonly InventorySled[],
  minSledReplication: number,
): ReleaseProgress => {
  const holders = sledsHoldingAll(release.artifacts, sleds).length;
  const each = sleds.map(sled => sledProgress(sled, release.artifacts, wanted.artifacts));
  const sum = (of: (progress: SledProgress) => number) =>
    each.reduce((total, progress) => total + of(progress), 0);
  return {
    systemVersion: release.systemVersion,
    safe: holders >= minSledReplication,
    complete:
      each.length > 0 &&
      each.every(sled => sled.answered && sled.artifactsHeldFully === sled.artifactsWanted),
    artifacts: release.artifacts.size,
    sledsHoldingAll: holders,
    copiesWanted: sum(sled => sled.artifactsWanted),
    copiesHeld: sum(sled => sled.artifactsHeld),
    bytesWanted: sum(sled => sled.bytesWanted),
    bytesHeld: sum(sled => sled.bytesHeld),
    sleds: each,
  };
};

/** The answering sleds that hold every one of these artifacts on at least one dataset. */
export const sledsHoldingAll = (
  artifacts: ReadonlySet<ArtifactHash> | ReadonlyMap<ArtifactHash, number>,
  sleds: readonly InventorySled[],
): readonly SledId[] =>
  answeringSleds(sleds)
    .filter(sled => artifacts.keys().every(hash => (sled.answer.held.get(hash) ?? 0) > 0))
    .map(sled => sled.id);

/** Copies on datasets over the whole fleet: progress means that this has grown since the last round (P6). */
export const copiesHeld = (wanted: Wanted, sleds: readonly InventorySled[]): number => {
  let total = 0;
  for (const sled of answeringSleds(sleds)) {
    for (const [hash, copies] of sled.answer.held) if (wanted.artifacts.has(hash)) total += copies;
  }
  return total;
};
