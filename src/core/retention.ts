/**
 * Retention: which present releases are kept, and which one is deleted next (S21).
 *
 * RT1. The most recent target releases are kept, those that a followed source has now, and the most recent uploads that are not among
 *      them.
 * RT2. Of the others the oldest upload is deleted, one at a time, so that an operator can stop it after the first.
 * RT3. Every release is in exactly one list of the decision, so the decision explains itself.
 */
import type { RepoId, SystemVersion } from './ids.ts';

export type RetainedRelease = {
  readonly repoId: RepoId;
  readonly systemVersion: SystemVersion;
  readonly timeCreatedMs: number;
};

export type RetentionPolicy = {
  readonly keepTargetReleases: number;
  readonly keepUploads: number;
};

export type RetentionDecision = {
  readonly keptAsTargets: readonly RetainedRelease[];
  readonly keptAsFollowed: readonly RetainedRelease[];
  readonly keptAsUploads: readonly RetainedRelease[];
  readonly prune: RetainedRelease | undefined;
  /** Deleted too, in later rounds. */
  readonly eligible: readonly RetainedRelease[];
};

/**
 * @param recentTargets the most recent target releases, each once, the latest first
 * @param followed the releases that followed sources have now
 */
export const decideRetention = (
  releases: readonly RetainedRelease[],
  {
    recentTargets,
    followed,
  }: { readonly recentTargets: readonly RepoId[]; readonly followed: ReadonlySet<RepoId> },
  policy: RetentionPolicy,
): RetentionDecision => {
  const targets = new Set(recentTargets.slice(0, policy.keepTargetReleases));
  const keptAsTargets = releases.filter(release => targets.has(release.repoId));
  const keptAsFollowed = releases.filter(({ repoId }) => !targets.has(repoId) && followed.has(repoId));
  const others = releases
    .filter(({ repoId }) => !targets.has(repoId) && !followed.has(repoId))
    .toSorted((a, b) => b.timeCreatedMs - a.timeCreatedMs || (a.repoId < b.repoId ? -1 : 1));
  const surplus = others.slice(policy.keepUploads);
  return {
    keptAsTargets,
    keptAsFollowed,
    keptAsUploads: others.slice(0, policy.keepUploads),
    prune: surplus.at(-1),
    eligible: surplus.slice(0, -1),
  };
};
