import { expect, test } from 'vitest';
import { seededRng } from '../rng.ts';
import { archiveOf, hash, listing, planInput, ROOMY, sled, sledId, wantedOf } from './fleet.fixture.ts';
import { planReplication } from './plan.ts';

const limits = { ...ROOMY, maxTransfersToSled: 2 };

test('G8, S6: puts that go on from earlier rounds count, so that a slow sled is given no more than its share', () => {
  const wanted = wantedOf([[1, 2, 3, 4]]);
  const plan = planReplication(
    planInput({
      wanted,
      sleds: [sled(1)],
      local: [archiveOf(wanted, 0)],
      policy: { minSledReplication: 1, limits },
      putsInFlight: [1, 2].map(n => ({ sledId: sledId(1), sha256: hash(n) })),
    }),
    seededRng(1),
  );
  expect(plan.puts).toEqual([]);
  expect(plan.deferred).toBe(2);
});

test('B7: a put that is still being sent is not planned again, and counts toward the minimum', () => {
  const wanted = wantedOf([[1]]);
  const plan = planReplication(
    planInput({
      wanted,
      sleds: [sled(1), sled(2), sled(3), sled(4)],
      local: [archiveOf(wanted, 0)],
      putsInFlight: [{ sledId: sledId(1), sha256: hash(1) }],
    }),
    seededRng(1),
  );
  expect(plan.puts.map(put => put.target)).not.toContain(sledId(1));
  expect(plan.puts).toHaveLength(2);
});

test('G8: a sled that says for ever that it is copying keeps an artifact from nobody else', () => {
  const wanted = wantedOf([[1]]);
  const copying = { ...listing(), copiesInFlight: new Set([hash(1)]) };
  const plan = planReplication(
    planInput({
      wanted,
      sleds: [sled(1, copying), sled(2), sled(3)],
      local: [archiveOf(wanted, 0)],
      policy: { minSledReplication: 1, limits },
    }),
    seededRng(1),
  );
  expect(plan.puts).toHaveLength(1);
  expect(plan.copies).toHaveLength(1);
  expect(plan.deferred).toBe(0);
});

test('B7, S5: a copy in flight from a sled that has it counts toward the minimum', () => {
  const wanted = wantedOf([[1]]);
  const copying = { ...listing(), copiesInFlight: new Set([hash(1)]) };
  const plan = planReplication(
    planInput({
      wanted,
      sleds: [sled(1, listing([[hash(1), 2]])), sled(2, copying), sled(3, copying)],
      local: [archiveOf(wanted, 0)],
    }),
    seededRng(1),
  );
  expect([...plan.puts, ...plan.copies]).toEqual([]);
});
