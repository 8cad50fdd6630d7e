/** Sleds that withhold artifacts, since no metadata that they verified lists them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderBlocked } from '../facts/blocked.ts';
import { releaseState } from '../health.ts';
import type { InventorySled } from '../inventory.ts';
import { isListing } from '../inventory.ts';
import { releaseProgress } from '../progress.ts';
import { seededRng } from '../rng.ts';
import { arbFleet, archiveOf, hash, listing, planInput, sled, sledId, wantedOf } from './fleet.fixture.ts';
import { planReplication } from './plan.ts';

/** As a sled lists itself: what it withholds is not among what it holds. */
const withholding = (inner: InventorySled, numbers: readonly number[]): InventorySled => {
  if (!isListing(inner.answer)) return inner;
  const withheld = new Set(numbers.map(hash));
  const held = new Map([...inner.answer.held].filter(([sha256]) => !withheld.has(sha256)));
  return { ...inner, answer: { ...inner.answer, held, withheld } };
};

const arbWithholding = fc
  .tuple(arbFleet, fc.array(fc.array(fc.nat(9), { maxLength: 4 }), { minLength: 8, maxLength: 8 }))
  .map(([fleet, each]) => ({
    ...fleet,
    sleds: fleet.sleds.map((one, index) => withholding(one, each[index] ?? [])),
  }));

test('nothing is requested for a sled that withholds it, nor from it, and each such artifact is named (PL8)', () => {
  let withheldInAll = 0;
  fc.assert(
    fc.property(arbWithholding, fc.nat(), (fleet, seed) => {
      const plan = planReplication(fleet, seededRng(seed));
      const byId = new Map(fleet.sleds.map(({ id, answer }) => [id, answer]));
      const withholds = (id: InventorySled['id'], sha256: ReturnType<typeof hash>) => {
        const answer = byId.get(id);
        return answer?.kind === 'ok' && answer.withheld?.has(sha256) === true;
      };
      for (const { target, sha256 } of [...plan.puts, ...plan.copies])
        expect(withholds(target, sha256)).toBe(false);
      for (const { source, sha256 } of plan.copies) expect(withholds(source, sha256)).toBe(false);
      const named = new Set(
        plan.blocked.filter(({ code }) => code === 'ARTIFACT_WITHHELD').map(({ sha256 }) => sha256),
      );
      const expected = [...fleet.wanted.artifacts.keys()].filter(sha256 =>
        fleet.sleds.some(({ id }) => withholds(id, sha256)),
      );
      expect(named).toEqual(new Set(expected));
      withheldInAll += named.size;
    }),
  );
  expect(withheldInAll).toBeGreaterThan(0);
});

test('an archive stays while too few sleds hold what some withhold (PL8, G4)', () => {
  const wanted = wantedOf([[1, 2]]);
  const all = listing([1, 2].map(n => [hash(n), 2]));
  const sleds = [0, 1, 2, 3].map(n => sled(n, all));
  const input = planInput({ wanted, sleds, local: [archiveOf(wanted, 0)] });
  expect(planReplication(input, seededRng(1)).localRepos[0]?.kind).toBe('replicated');
  const two = sleds.map((one, n) => (n < 2 ? withholding(one, [2]) : one));
  expect(planReplication({ ...input, sleds: two }, seededRng(1)).localRepos[0]).toMatchObject({
    kind: 'not_safe',
    holders: 2,
  });
});

test('the other artifacts of the release, and the other releases, go on (G7)', () => {
  const wanted = wantedOf([[1, 2], [3]]);
  const sleds = [0, 1, 2].map(n => withholding(sled(n), [2]));
  const local = [archiveOf(wanted, 0), archiveOf(wanted, 1)];
  const { puts } = planReplication(planInput({ wanted, sleds, local }), seededRng(1));
  expect(new Set(puts.map(({ sha256 }) => sha256))).toEqual(new Set([hash(1), hash(3)]));
  expect(puts).toHaveLength(2);
});

test('a release of which every sled withholds an artifact is blocked, not failed: the sleds may have its bytes (HE3)', () => {
  const wanted = wantedOf([[1, 2]]);
  const half = listing([[hash(1), 2]]);
  const stateOf = (sleds: readonly InventorySled[]) => {
    const { blocked } = planReplication(planInput({ wanted, sleds }), seededRng(1));
    const release = wanted.releases[0]!;
    const progress = releaseProgress(release, wanted, sleds, 3);
    return { blocked, ...releaseState(progress, release.artifacts, blocked, new Map()) };
  };
  expect(stateOf([0, 1].map(n => sled(n, half))).state).toBe('failed');
  const { state, blocked } = stateOf([withholding(sled(0, half), [2]), sled(1, half)]);
  expect(state).toBe('blocked');
  expect(blocked).toEqual([{ code: 'ARTIFACT_WITHHELD', sha256: hash(2), withholdingSleds: 1 }]);
  expect(renderBlocked(blocked[0]!).message).toContain('withheld by 1 sled');
});

test('a release that enough sleds hold stays safe while another sled withholds some of it', () => {
  const wanted = wantedOf([[1]]);
  const whole = listing([[hash(1), 2]]);
  const sleds = [0, 1, 2, 3].map(n => (n === 3 ? withholding(sled(n), [1]) : sled(n, whole)));
  const { blocked, copies } = planReplication(planInput({ wanted, sleds }), seededRng(1));
  expect(copies.filter(({ target }) => target === sledId(3))).toEqual([]);
  const release = wanted.releases[0]!;
  const progress = releaseProgress(release, wanted, sleds, 3);
  expect(releaseState(progress, release.artifacts, blocked, new Map()).state).toBe('safe');
});
