/**
 * The sets of points that the database has lost (P13), as the last round of replication found them on sleds. An archive
 * whose release was wanted at such a point was accepted once, and is not refused for expiry or rollback (P3).
 */
import type { ArtifactHash } from '../../../core/ids.ts';

export type LostSets = {
  /** Replaces the known sets of lost points by those that sleds have reported. */
  readonly record: (sets: readonly ReadonlySet<ArtifactHash>[]) => void;
  readonly isEmpty: () => boolean;
  /** Whether all of these artifacts were wanted at one of these points. */
  readonly bringsBack: (artifacts: Iterable<ArtifactHash>) => boolean;
};

export const createLostSets = (): LostSets => {
  let known: readonly ReadonlySet<ArtifactHash>[] = [];
  return {
    record(sets) {
      known = sets;
    },
    isEmpty: () => known.length === 0,
    bringsBack(artifacts) {
      const hashes = [...artifacts];
      return hashes.length > 0 && known.some(set => hashes.every(hash => set.has(hash)));
    },
  };
};
