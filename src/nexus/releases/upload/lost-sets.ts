/**
 * What sleds were told to hold at points that the database has lost (P13), as the last round of replication saw it: an
 * archive whose release was wanted there is not refused for expiry or rollback (P3). It was accepted once.
 */
import type { ArtifactHash } from '../../../core/ids.ts';

export type LostSets = {
  /** Replaces what was known: the sets of the points that the database does not know, as far as a sled gave them. */
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
