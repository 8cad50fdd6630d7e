/** Whether a present release may be deleted, and the wanted set without it (S21). */
import type { ArtifactHash, RepoId, SystemVersion } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { WantedSet } from '../ports/wanted-set-port.ts';

export type PruneRequest = {
  readonly version: SystemVersion;
  /** The time of upload that the caller saw; absent for an unconditional deletion. */
  readonly uploadedAtMs: number | undefined;
  /** An earlier attempt of the same deletion may have been committed. */
  readonly repeated: boolean;
};

export type PruneDecision =
  | { readonly kind: 'pruned' }
  | { readonly kind: 'prune'; readonly repoId: RepoId; readonly wantedAfter: ReadonlySet<ArtifactHash> };

/**
 * @param target the release that the fleet should run, if any
 * @throws `NOT_FOUND`, `RELEASE_IN_USE`
 */
export const decidePrune = (
  { version, uploadedAtMs, repeated }: PruneRequest,
  wanted: Pick<WantedSet, 'releases'>,
  target: RepoId | null,
): PruneDecision => {
  const release = wanted.releases.find(({ systemVersion }) => systemVersion === version);
  if (release === undefined) {
    if (repeated) return { kind: 'pruned' };
    throw new DepotError('NOT_FOUND', `there is no release ${version}`);
  }
  if (uploadedAtMs !== undefined && release.timeCreatedMs !== uploadedAtMs) {
    throw new DepotError('RELEASE_IN_USE', `release ${version} was uploaded again meanwhile`);
  }
  const { repoId } = release;
  if (target === repoId) {
    throw new DepotError('RELEASE_IN_USE', `release ${version} is the target release: set another one first`);
  }
  const others = wanted.releases.filter(other => other.repoId !== repoId);
  return { kind: 'prune', repoId, wantedAfter: new Set(others.flatMap(({ artifacts }) => [...artifacts])) };
};
