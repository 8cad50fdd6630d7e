import { expect, test } from 'vitest';
import { seededRng } from '../rng.ts';
import {
  archiveOf,
  hash,
  listing,
  planInput,
  ROOMY,
  routesTo,
  sled,
  sledId,
  wantedOf,
} from './fleet.fixture.ts';
import { planReplication } from './plan.ts';

const limits = { ...ROOMY, maxTransfersToSled: 2 };
const putTo = (target: number, n: number) => ({
  ...{ sledId: sledId(target), sha256: hash(n), source: undefined },
  ...{ sizeBytes: 1024, startedMs: 0 },
});

test('puts in flight from earlier rounds count, so that a slow sled gets no more than its share (G8, S6)', () => {
  const wanted = wantedOf([[1, 2, 3, 4]]);
  const plan = planReplication(
    planInput({
      wanted,
      sleds: [sled(1)],
      local: [archiveOf(wanted, 0)],
      policy: { minSledReplication: 1, limits },
      underWay: [1, 2].map(n => putTo(1, n)),
    }),
    seededRng(1),
  );
  expect(plan.puts).toEqual([]);
  expect(plan.deferred).toBe(2);
});

test('a put that is still being sent is not planned again, and counts toward the minimum of sleds without an identity (B7, S5)', () => {
  const wanted = wantedOf([[1]]);
  const putsTo = (isPlain: boolean) => {
    const sleds = [1, 2, 3, 4].map(n => ({ ...sled(n), isPlain }));
    const input = planInput({ wanted, sleds, local: [archiveOf(wanted, 0)], underWay: [putTo(1, 1)] });
    return planReplication(input, seededRng(1)).puts.map(({ target }) => target);
  };
  expect(putsTo(true)).not.toContain(sledId(1));
  expect(putsTo(true)).toHaveLength(2);
  expect(putsTo(false)).toEqual([]);
});

test('a sled without an identity waits for its put while no place is free, although it could copy (PL1, S5)', () => {
  const wanted = wantedOf([[1]]);
  const sleds = [sled(1, listing([[hash(1), 2]])), sled(2), sled(3)].map(each => ({
    ...each,
    isPlain: true,
  }));
  const planWith = (maxPuts: number, minSledReplication: number) =>
    planReplication(
      planInput({
        ...{ wanted, sleds, local: [archiveOf(wanted, 0)] },
        policy: { minSledReplication, limits: { ...ROOMY, maxPuts } },
      }),
      seededRng(1),
    );
  const { puts, copies, deferred } = planWith(1, 3);
  expect([puts.length, copies.length, deferred]).toEqual([1, 0, 1]);
  expect(planWith(1, 2).copies, 'the last one copies').toHaveLength(1);
});

test('a sled that claims to copy for ever does not keep an artifact from the others (G8)', () => {
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
  expect(plan.deferred, 'the other one copies it then').toBe(1);
});

test('a copy in flight from a sled that has it counts toward the minimum (B7, S5)', () => {
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

test('a source that fails is not the first choice of every round, whatever its place in the list (G8)', () => {
  const wanted = wantedOf([[1]]);
  const whole = listing([[hash(1), 2]]);
  const sleds = [sled(1, whole), sled(2, whole), sled(3)];
  const sources = Array.from({ length: 20 }, (_, seed) => {
    const { copies } = planReplication(planInput({ wanted, sleds }), seededRng(seed));
    return copies[0]?.source;
  });
  expect(new Set(sources)).toEqual(new Set([sledId(1), sledId(2)]));
});

test('a source that failed for a sled is chosen again only when every other one has failed as often (P6, G8)', () => {
  const wanted = wantedOf([[1]]);
  const whole = listing([[hash(1), 2]]);
  const sleds = [sled(1, whole), sled(2, whole), sled(3, whole), sled(4)];
  const sourcesAfter = (...failures: number[]) => {
    const pause = { untilMs: 0, because: 'cut' };
    const routes = routesTo(
      4,
      failures.map(count => ({ ...pause, artifacts: new Map([[hash(1), { ...pause, failures: count }]]) })),
    );
    const named = Array.from({ length: 30 }, (_, seed) => {
      const { copies } = planReplication(planInput({ wanted, sleds, routes, nowMs: 1 }), seededRng(seed));
      return copies[0]!.source;
    });
    return new Set(named);
  };
  expect(sourcesAfter(1)).toEqual(new Set([sledId(2), sledId(3)]));
  expect(sourcesAfter(3, 1, 2)).toEqual(new Set([sledId(2)]));
  expect(sourcesAfter(1, 1, 1).size).toBe(3);
});

test('a sled that was caught with other bytes is a source only if no other sled has the artifact (P9, G8)', () => {
  const wanted = wantedOf([[1, 2]]);
  const caught = { ...sled(1, listing([1, 2].map(n => [hash(n), 2]))), isDistrusted: true };
  const sleds = [caught, sled(2, listing([[hash(1), 2]])), sled(3)];
  for (let seed = 0; seed < 20; seed += 1) {
    const { copies } = planReplication(planInput({ wanted, sleds }), seededRng(seed));
    const sourceOf = (n: number) => copies.find(c => c.sha256 === hash(n) && c.target === sledId(3))?.source;
    expect(sourceOf(1)).toBe(sledId(2));
    expect(sourceOf(2)).toBe(sledId(1));
  }
});
