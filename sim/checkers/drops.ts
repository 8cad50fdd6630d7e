/** G4, P9: a local repo goes only when enough sleds hold all of it, durably, whatever any sled says. */
import type { ArtifactHash } from '../../src/core/ids.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';
import type { Holdings } from './holdings.ts';

type Facts = {
  readonly world: World;
  readonly holdings: Holdings;
  /** What was listed rightly, and taken from the sled before the drop was over. */
  readonly wasJustTaken: (sled: SimSled, sha256: ArtifactHash) => boolean;
  readonly fail: Fail;
};

export const checkDrops = (facts: Facts, before: MemoryState, after: MemoryState): void => {
  const { world, holdings } = facts;
  for (const [uploadId, { repoId, nexusId }] of before.localRepos) {
    const release = after.releases.get(repoId);
    if (after.localRepos.has(uploadId) || release === undefined) continue;
    // A row without an archive says nothing: it came back with the database, and goes again.
    if (!holdings.hasArchive(nexusId, uploadId)) continue;
    world.trace.reached('a local repo was dropped');
    // Of a deleted release what another one lists (LV1); an artifact of no bytes has none to look at.
    const wanted = holdings.wanted();
    const counted = release.description.artifacts.filter(
      ({ sha256, sizeBytes }) => sizeBytes > 0 && wanted.has(sha256),
    );
    if (counted.length === 0) continue;
    requireHolders(
      facts,
      release.repo.systemVersion,
      counted.map(({ sha256 }) => sha256),
    );
  }
};

/** A sled that lies counts by its disk, as any other: the looks at the bytes are there to find it out. */
const requireHolders = (
  { world, holdings, wasJustTaken, fail }: Facts,
  version: string,
  hashes: readonly ArtifactHash[],
): void => {
  const holders = world.sleds.filter(sled => {
    const has = (sha256: ArtifactHash) => sled.standing === 'in_service' && holdings.has(sled, sha256);
    return sled.standing !== 'gone' && hashes.every(sha256 => has(sha256) || wasJustTaken(sled, sha256));
  });
  if (holders.length < world.minSledReplication)
    fail(
      'G4',
      `a local repo of ${version} was dropped while ${holders.length} sleds hold all of it durably, not ${world.minSledReplication}`,
    );
};
