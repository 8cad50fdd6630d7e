/**
 * W2, B4: the generation rises with each change of the wanted set, and falls only with a restore of the database.
 * P13: the database has recorded its own point.
 */
import { type ArtifactHash, pointText } from '../../src/core/ids.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { Fail } from '../violation.ts';

const wantedIn = ({ releases }: MemoryState): ReadonlySet<ArtifactHash> => {
  const wanted = new Set<ArtifactHash>();
  for (const { repo, hashes } of releases.values())
    if (repo.timePrunedMs === null) for (const sha256 of hashes) wanted.add(sha256);
  return wanted;
};

export const checkGeneration = (before: MemoryState, after: MemoryState, fail: Fail): void => {
  const was = before.stored.generation;
  const { generation } = after.stored;
  if (!after.points.has(pointText(after.stored)))
    fail('G6', `the database has not recorded its own point of generation ${generation}`);
  if (generation < was) fail('G6', `the generation fell from ${was} to ${generation}`);
  if (generation > was || after.releases === before.releases) return;
  const [old, now] = [wantedIn(before), wantedIn(after)];
  if (old.size !== now.size || [...now].some(sha256 => !old.has(sha256)))
    fail(
      'G6',
      `the wanted set changed from ${old.size} to ${now.size} artifacts, and the generation stayed ${generation}`,
    );
};
