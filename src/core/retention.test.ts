import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SystemVersion } from './ids.ts';
import { repoId } from './plan/fleet.fixture.ts';
import { decideRetention, type RetainedRelease } from './retention.ts';

const release = (n: number, timeCreatedMs = n): RetainedRelease => ({
  repoId: repoId(n),
  systemVersion: SystemVersion.parse(`${n}.0.0`),
  timeCreatedMs,
});
const versions = (releases: readonly RetainedRelease[]) => releases.map(r => r.systemVersion);

test('recent targets and recent uploads are kept, of the rest the oldest upload goes, one at a time (S21)', () => {
  const decision = decideRetention(
    [1, 2, 3, 4, 5, 6].map(n => release(n)),
    { recentTargets: [repoId(2), repoId(1)], followed: new Set() },
    {
      keepTargetReleases: 1,
      keepUploads: 2,
    },
  );
  expect({ ...decision, prune: decision.prune?.systemVersion }).toMatchObject({ prune: '1.0.0' });
  expect(versions(decision.keptAsTargets)).toEqual(['2.0.0']);
  expect(versions(decision.keptAsUploads)).toEqual(['6.0.0', '5.0.0']);
  expect(versions(decision.eligible)).toEqual(['4.0.0', '3.0.0']);
});

test('every release is in exactly one list, what is kept is as many as the policy says, nothing kept is pruned (RT3)', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat({ max: 20 })),
      fc.array(fc.nat({ max: 20 })),
      fc.nat({ max: 4 }),
      fc.nat({ max: 4 }),
      fc.array(fc.nat({ max: 20 })),
      (present, targets, keepTargetReleases, keepUploads, upstream) => {
        const releases = present.map(n => release(n, n % 3));
        const facts = { recentTargets: targets.map(repoId), followed: new Set(upstream.map(repoId)) };
        const decision = decideRetention(releases, facts, { keepTargetReleases, keepUploads });
        const pruned = decision.prune === undefined ? [] : [decision.prune];
        const { keptAsTargets, keptAsFollowed, keptAsUploads, eligible } = decision;
        const all = [...keptAsTargets, ...keptAsFollowed, ...keptAsUploads, ...pruned, ...eligible];
        expect(versions(all).toSorted()).toEqual(versions(releases).toSorted());
        const others = releases.length - keptAsTargets.length - keptAsFollowed.length;
        for (const { repoId: id } of [...pruned, ...eligible]) expect(facts.followed.has(id)).toBe(false);
        expect(decision.keptAsUploads).toHaveLength(Math.min(keepUploads, others));
        for (const { timeCreatedMs } of [...decision.keptAsUploads, ...decision.eligible]) {
          for (const { timeCreatedMs: prunedMs } of pruned)
            expect(prunedMs).toBeLessThanOrEqual(timeCreatedMs);
        }
      },
    ),
  );
});
