/** Whether a release may become the one that the fleet should run. */
import type { AuditAction } from '../../../core/facts/audit.ts';
import type { RepoId } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { RepoRecord } from '../ports/release-port.ts';
import type { TargetReleaseRecord } from '../ports/target-release-port.ts';

export type TargetRequest = {
  readonly repoId: RepoId;
  /** Of the target release that the caller saw. */
  readonly expectedGeneration: number;
  /** An earlier attempt of the same request may have been committed. */
  readonly repeated: boolean;
};

/**
 * @param repo the release of that id, pruned or not
 * @returns `set_before` when an earlier attempt set it
 * @throws `TARGET_RELEASE_REFUSED`
 */
export const decideTarget = (
  { repoId, expectedGeneration, repeated }: TargetRequest,
  current: { readonly generation: number; readonly repoId: RepoId | null },
  repo: Pick<RepoRecord, 'systemVersion' | 'timePrunedMs'> | undefined,
): 'set' | 'set_before' => {
  const byEarlierAttempt = current.generation === expectedGeneration + 1 && current.repoId === repoId;
  if (repeated && byEarlierAttempt) return 'set_before';
  if (current.generation !== expectedGeneration) {
    throw refusal(
      `it was changed concurrently (generation ${current.generation}, not ${expectedGeneration})`,
    );
  }
  if (repo === undefined) throw refusal(`there is no release of id ${repoId}`);
  if (repo.timePrunedMs !== null) throw refusal(`release ${repo.systemVersion} has been deleted`);
  return 'set';
};

const refusal = (why: string): DepotError =>
  new DepotError('TARGET_RELEASE_REFUSED', `the target release cannot be changed: ${why}`);

/** The audited action. */
export const targetReleaseSetTo = (
  { repo }: TargetReleaseRecord,
  before: TargetReleaseRecord,
  isForced: boolean,
): AuditAction<'target_release_set'> | undefined =>
  repo === null
    ? undefined
    : {
        kind: 'target_release_set',
        systemVersion: repo.systemVersion,
        previousVersion: before.repo?.systemVersion,
        isForced,
      };
