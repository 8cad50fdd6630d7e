/** G4, P9: a local repo is dropped only when enough sleds hold all of it durably, whatever they report. */
import type { ArtifactHash } from '../../src/core/ids.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';
import type { Holdings } from './holdings.ts';

type Facts = {
  readonly world: World;
  readonly holdings: Holdings;
  /** A copy that the sled listed correctly, and that a fault took before the drop ended. */
  readonly wasJustTaken: (sled: SimSled, sha256: ArtifactHash) => boolean;
  readonly fail: Fail;
};

export const checkDrops = (facts: Facts, before: MemoryState, after: MemoryState): void => {
  const { world, holdings } = facts;
  for (const [uploadId, { repoId, nexusId }] of before.localRepos) {
    const release = after.releases.get(repoId);
    if (after.localRepos.has(uploadId) || release === undefined) continue;
    // A row without an archive proves nothing: a restore brought it back, and it is removed again.
    if (!holdings.hasArchive(nexusId, uploadId)) continue;
    world.trace.reached('a local repo was dropped');
    // Of a deleted release, only what another release lists counts (LV1). An empty artifact has no bytes to check.
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

/** A lying sled counts by its disk, like any other: the spot check has to find it. */
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
