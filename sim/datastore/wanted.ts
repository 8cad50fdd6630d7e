/** The wanted set of the present releases, computed once for each map of releases (MS2). */
import type { ArtifactHash, Point } from '../../src/core/ids.ts';
import { requireRecordedDigest, wantedSetDigest } from '../../src/nexus/datastore/decisions/generation.ts';
import type { WantedSet } from '../../src/nexus/datastore/ports/wanted-set-port.ts';
import { type MemoryState, recordedPoints, type StoredRelease } from './state.ts';

type Derived = Pick<WantedSet, 'artifacts' | 'releases' | 'digest'> & {
  readonly present: readonly StoredRelease[];
};

const derivedOf = new WeakMap<MemoryState['releases'], Derived>();

const derive = (releases: MemoryState['releases']): Derived => {
  const known = derivedOf.get(releases);
  if (known !== undefined) return known;
  const present = inOrder(releases.values()).filter(({ repo }) => repo.timePrunedMs === null);
  const artifacts = new Map<ArtifactHash, number>();
  for (const { description } of present)
    for (const { sha256, sizeBytes } of description.artifacts) artifacts.set(sha256, sizeBytes);
  const derived = {
    present,
    artifacts,
    releases: present.map(({ repo, hashes, bundle }) => ({
      repoId: repo.id,
      systemVersion: repo.systemVersion,
      timeCreatedMs: repo.timeCreatedMs,
      artifacts: hashes,
      bundle: bundle && { sha256: bundle.sha256, kind: bundle.kind, isExempted: bundle.isExempted },
    })),
    digest: wantedSetDigest(artifacts.keys()),
  };
  derivedOf.set(releases, derived);
  return derived;
};

export const inOrder = (releases: Iterable<StoredRelease>): StoredRelease[] =>
  [...releases].sort((a, b) => (a.order < b.order ? -1 : 1));

/** In the order of their versions. */
export const presentReleases = (state: MemoryState): readonly StoredRelease[] =>
  derive(state.releases).present;

/** The digest of the listed set, which the recorded one may not match. */
export const presentDigest = (state: MemoryState): string => derive(state.releases).digest;

/** What the present releases list, whatever is recorded of it. */
export const wantedHashes = (state: MemoryState): Iterable<ArtifactHash> =>
  derive(state.releases).artifacts.keys();

/** @throws `WANTED_SET_DIGEST` (W1) */
export const wantedSetOf = (state: MemoryState, claims: readonly Point[] = []): WantedSet => {
  const { artifacts, releases, digest } = derive(state.releases);
  requireRecordedDigest(state.stored, digest);
  return { ...state.stored, artifacts, releases, lineage: recordedPoints(state, claims) };
};
