/**
 * What sleds still hold of releases that the database has lost (P13), as the last round of replication saw it: an archive
 * that brings such a release back is not refused for expiry or rollback (P3).
 */
import type { ArtifactHash } from '../../core/ids.ts';

export type LostSets = {
  /** Replaces what was known. */
  readonly record: (lost: {
    /** Of each point that the database does not know, as far as a sled gave it. */
    readonly sets: readonly ReadonlySet<ArtifactHash>[];
    readonly wanted: { readonly has: (sha256: ArtifactHash) => boolean };
  }) => void;
  readonly isEmpty: () => boolean;
  /** Whether all of these artifacts were wanted at one of these points, and some are not wanted any more. */
  readonly bringsBack: (artifacts: Iterable<ArtifactHash>) => boolean;
};

export const createLostSets = (): LostSets => {
  let known: Parameters<LostSets['record']>[0] = { sets: [], wanted: new Set() };
  return {
    record(lost) {
      known = lost;
    },
    isEmpty: () => known.sets.length === 0,
    bringsBack(artifacts) {
      const hashes = [...artifacts];
      return (
        hashes.some(hash => !known.wanted.has(hash)) &&
        known.sets.some(set => hashes.every(hash => set.has(hash)))
      );
    },
  };
};
