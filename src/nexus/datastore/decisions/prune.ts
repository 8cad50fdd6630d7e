/** Whether a present release may be deleted, and the wanted set without it (S21). */
import type { AuditAction, AuditActor } from '../../../core/facts/audit.ts';
import type { ArtifactHash, Generation, RepoId, SystemVersion } from '../../../core/ids.ts';
import { mayActAs } from '../../../core/operator-role.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { WantedSet } from '../ports/wanted-set-port.ts';

export type PruneRequest = {
  readonly version: SystemVersion;
  /** The time of upload that the caller saw; absent for an unconditional deletion. */
  readonly uploadedAtMs: number | undefined;
  /** An earlier attempt of the same deletion may have been committed. */
  readonly repeated: boolean;
  /** Absent where no person deletes it. */
  readonly by?: AuditActor | undefined;
};

export type PruneDecision =
  | { readonly kind: 'pruned' }
  | { readonly kind: 'prune'; readonly repoId: RepoId; readonly wantedAfter: ReadonlySet<ArtifactHash> };

/**
 * @param target the release that the fleet should run, if any
 * @throws `NOT_FOUND`, `RELEASE_IN_USE`, `FORBIDDEN`
 */
export const decidePrune = (
  { version, uploadedAtMs, repeated, by }: PruneRequest,
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
  if (isLast(wanted)) requireMayDeleteLast(version, by);
  const others = wanted.releases.filter(other => other.repoId !== repoId);
  return { kind: 'prune', repoId, wantedAfter: new Set(others.flatMap(({ artifacts }) => [...artifacts])) };
};

const isLast = ({ releases }: Pick<WantedSet, 'releases'>): boolean => releases.length === 1;

/** Without it every sled deletes every artifact. */
const requireMayDeleteLast = (version: SystemVersion, by: AuditActor | undefined): void => {
  if (by?.kind !== 'token' || mayActAs(by.role, 'admin')) return;
  throw new DepotError(
    'FORBIDDEN',
    `release ${version} is the last one: its deletion needs the role admin, and token ${by.tokenId} has the role ${by.role}`,
    { detail: { needed_role: 'admin', role: by.role } },
  );
};

/** @param before with the release */
export const releaseDeleted = (
  systemVersion: SystemVersion,
  before: Pick<WantedSet, 'releases' | 'generation'>,
  generation: Generation,
): AuditAction<'release_deleted'> => ({
  kind: 'release_deleted',
  systemVersion,
  wasLast: isLast(before),
  generation,
  previousGeneration: before.generation,
});
