/**
 * The pruner: deletes old releases, one per activation, and explains every decision (S21). Off unless configured (B19).
 *
 *     present releases, recent targets ─▶ decideRetention() ─▶ prune one ─▶ replication
 *
 * PN1. The target release is never pruned: the transaction checks again.
 * PN2. A release that was uploaded again since the decision is not pruned: it is wanted again.
 * PN3. A release that a followed source has now is kept: it would be fetched again.
 */

import type { AuditOrigin } from '../../core/facts/audit.ts';
import { decideRetention, type RetainedRelease, type RetentionPolicy } from '../../core/retention.ts';
import { isoTime } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import type { TargetReleasePort } from '../datastore/ports/target-release-port.ts';
import type { WantedSetPort } from '../datastore/ports/wanted-set-port.ts';
import type { Note } from '../history/history.ts';
import type { BackgroundTask } from './task.ts';

export const PRUNER_TASK = 'tuf_repo_pruner';

export const repoPruner = (deps: {
  readonly datastore: Pick<WantedSetPort, 'wantedSet'> &
    Pick<TargetReleasePort, 'targetReleaseRecent'> &
    Pick<ReleasePort, 'repoPrune' | 'releasesFollowed'>;
  readonly note: Note;
  /** Of a new entry in the audit log. */
  readonly newOrigin: () => AuditOrigin;
  /** Undefined: every release is kept. */
  readonly policy: RetentionPolicy | undefined;
  readonly periodMs: number;
  readonly disable: boolean;
}): BackgroundTask => ({
  name: PRUNER_TASK,
  description: 'delete the releases that retention does not keep',
  periodMs: deps.periodMs,
  disable: deps.disable || deps.policy === undefined,
  async activate({ log, signal }) {
    const { datastore, policy } = deps;
    if (policy === undefined) return { summary: { status: 'disabled', reason: OFF } };
    const targets = await datastore.targetReleaseRecent(policy.keepTargetReleases, { signal });
    const { releases } = await datastore.wantedSet({ signal });
    const recent = targets.flatMap(target => target.repo?.id ?? []);
    const followed = await datastore.releasesFollowed({ signal }); // last: PN3
    const upstream = new Map(followed.map(({ repoId, sourceName }) => [repoId, sourceName]));
    const decision = decideRetention(
      releases,
      { recentTargets: recent, followed: new Set(upstream.keys()) },
      policy,
    );
    const outcome = await prune(deps, decision.prune, signal);
    if (decision.prune !== undefined) {
      log.info({ ...nameOf(decision.prune), outcome: outcome ?? 'pruned' }, 'release chosen by retention');
    }
    return {
      summary: {
        status: 'enabled',
        nkeep_recent_releases: policy.keepTargetReleases,
        nkeep_recent_uploads: policy.keepUploads,
        repos_keep_target_release: decision.keptAsTargets.map(repoInfo),
        repos_keep_recent_uploads: decision.keptAsUploads.map(repoInfo),
        repo_prune: decision.prune === undefined ? null : repoInfo(decision.prune),
        other_repos_eligible_to_prune: decision.eligible.map(repoInfo),
        warnings: outcome === undefined ? [] : [outcome],
        // Ours.
        repos_keep_followed: decision.keptAsFollowed.map(release => ({
          ...repoInfo(release),
          source: upstream.get(release.repoId) ?? null,
        })),
        pruned: decision.prune !== undefined && outcome === undefined,
      },
      changed: decision.prune !== undefined && outcome === undefined,
    };
  },
});

const OFF = 'off: tuf_repo_pruner.nkeep_extra_target_releases and nkeep_extra_newly_uploaded are not set';

/** Why it was not pruned after all; undefined if it was, or if there was nothing to prune. */
const prune = async (
  { datastore, note, newOrigin }: Pick<Parameters<typeof repoPruner>[0], 'datastore' | 'note' | 'newOrigin'>,
  release: RetainedRelease | undefined,
  signal: AbortSignal,
): Promise<string | undefined> => {
  if (release === undefined) return undefined;
  try {
    const { systemVersion, timeCreatedMs: uploadedAtMs } = release;
    const { generation } = await datastore.repoPrune(systemVersion, {
      ...{ signal, uploadedAtMs },
      prunedBy: 'retention',
      audit: newOrigin(),
    });
    note({ kind: 'release_deleted', systemVersion, generation, by: 'retention' });
    return undefined;
  } catch (error) {
    const code = errorCodeOf(error);
    if (code !== 'RELEASE_IN_USE' && code !== 'NOT_FOUND') throw error;
    return messageChain(error);
  }
};

const nameOf = (release: RetainedRelease) => ({
  system_version: release.systemVersion,
  repo_id: release.repoId,
});

/** In the names of the original's debugger. */
const repoInfo = (release: RetainedRelease) => ({
  id: release.repoId,
  system_version: release.systemVersion,
  time_created: isoTime(release.timeCreatedMs),
});
