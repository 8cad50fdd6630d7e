import type { RepoId } from '../../../src/core/ids.ts';
import { decideTarget, targetReleaseSetTo } from '../../../src/nexus/datastore/decisions/target-choice.ts';
import { READ_BATCH_ROWS } from '../../../src/nexus/datastore/paging.ts';
import type {
  TargetReleasePort,
  TargetReleaseRecord,
} from '../../../src/nexus/datastore/ports/target-release-port.ts';
import type { MemoryState, Query, Step, StoredTarget } from '../state.ts';
import { withAudit } from './audit-verbs.ts';

export const targetReleaseGet: Query<TargetReleaseRecord> = state => toRecord(state, state.targets.at(-1)!);

export const targetReleaseSet =
  (
    { repoId, expectedGeneration }: Parameters<TargetReleasePort['targetReleaseSet']>[0],
    audit: Parameters<TargetReleasePort['targetReleaseSet']>[1]['audit'],
  ): Step<TargetReleaseRecord> =>
  (state, moment) => {
    const { nowMs, repeated } = moment;
    const current = state.targets.at(-1)!;
    const repo = state.releases.get(repoId)?.repo;
    if (decideTarget({ repoId, expectedGeneration, repeated }, current, repo) === 'set_before')
      return { state, answer: toRecord(state, current) };
    const row = { generation: expectedGeneration + 1, timeRequestedMs: nowMs, repoId };
    const after = { ...state, targets: [...state.targets, row] } as const;
    const answer = toRecord(state, row);
    const action = audit && targetReleaseSetTo(answer, toRecord(state, current), audit.isForced);
    return { state: action === undefined ? after : withAudit(after, audit?.origin, action, moment), answer };
  };

export const targetReleaseRecent =
  (count: number): Query<readonly TargetReleaseRecord[]> =>
  state => {
    // For each release the last time that it was made the target.
    const latest = new Map<RepoId, StoredTarget>();
    for (const row of state.targets.toReversed())
      if (row.repoId !== null && !latest.has(row.repoId)) latest.set(row.repoId, row);
    return [...latest.values()].slice(0, Math.min(count, READ_BATCH_ROWS)).map(row => toRecord(state, row));
  };

const toRecord = (
  state: MemoryState,
  { generation, timeRequestedMs, repoId }: StoredTarget,
): TargetReleaseRecord => ({
  generation,
  timeRequestedMs,
  repo: repoId === null ? null : state.releases.get(repoId)!.repo,
});
