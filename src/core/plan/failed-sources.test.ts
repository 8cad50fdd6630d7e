import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderBlocked } from '../facts/blocked.ts';
import type { ArtifactHash } from '../ids.ts';
import { seededRng } from '../rng.ts';
import {
  archiveOf,
  hash,
  listing,
  planInput,
  routesTo,
  silentSled,
  sled,
  sledId,
  wantedOf,
} from './fleet.fixture.ts';
import type { PlanInput, RouteFailure } from './input.ts';
import { planReplication } from './plan.ts';

const NOW = 1_000;
const wanted = wantedOf([[1, 2]]);
const both: [ArtifactHash, number][] = [1, 2].map(n => [hash(n), 2]);
const holding = (n: number) => sled(n, listing(both));

/** A route whose copies failed: it waits until `untilMs`, artifact 1 `failures` times until `artifactUntilMs`. */
const failed = (untilMs: number, failures = 1, artifactUntilMs = untilMs): RouteFailure => ({
  untilMs,
  because: `cut until ${untilMs}`,
  artifacts: new Map([[hash(1), { untilMs: artifactUntilMs, because: 'other bytes', failures }]]),
});

const planWith = (routes: readonly (RouteFailure | undefined)[], more: Partial<PlanInput> = {}, seed = 1) =>
  planReplication(
    planInput({
      wanted,
      sleds: [...routes.map((_, at) => holding(at + 1)), sled(9)],
      routes: routesTo(9, routes),
      nowMs: NOW,
      ...more,
    }),
    seededRng(seed),
  );
const sourcesOf = (plan: ReturnType<typeof planWith>, n: number) =>
  plan.copies.filter(({ sha256 }) => sha256 === hash(n)).map(({ source }) => source);
const local = [archiveOf(wanted, 0)];

test('a source that failed for a sled is passed over at once for another, whatever the artifact (PL9, B21)', () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const plan = planWith([failed(NOW + 1), undefined], {}, seed);
    expect([sourcesOf(plan, 1), sourcesOf(plan, 2)]).toEqual([[sledId(2)], [sledId(2)]]);
    expect(plan.blocked).toEqual([]);
  }
});

test('a sled that lacks an artifact after a copy failed is named while it copies from another source, and until it has it (PL10)', () => {
  const routes = routesTo(9, [failed(NOW + 1)]);
  const copying = { ...listing(), copiesInFlight: new Set([hash(1)]) };
  for (const answer of [listing(), copying]) {
    const { retried, blocked } = planWith([failed(NOW + 1), undefined], {
      sleds: [holding(1), holding(2), sled(9, answer)],
      routes,
    });
    expect(retried).toMatchObject([
      { code: 'TRANSFER_FAILED', sha256: hash(1), sledId: sledId(9), error: 'other bytes' },
    ]);
    expect(blocked).toEqual([]);
  }
  const arrived = planWith([undefined], { sleds: [holding(1), holding(9)], routes });
  expect(arrived.retried).toEqual([]);
});

test('one bad copy does not end what else its source serves (RTE2)', () => {
  const plan = planWith([failed(NOW, 3, NOW + 500)]);
  expect([sourcesOf(plan, 1), sourcesOf(plan, 2)]).toEqual([[], [sledId(1)]]);
  expect(plan.nextAttemptMs).toBe(NOW + 500);
});

test('other sleds copy from a source that failed for one (B21)', () => {
  const plan = planWith([failed(NOW + 1)], { sleds: [holding(1), sled(8), sled(9)] });
  expect(plan.copies.map(({ target }) => target)).toEqual([sledId(8), sledId(8)]);
});

test('Nexus sends what it has while every source waits, however many claim to hold it (PL9)', () => {
  const claimed = Array.from({ length: 5 }, () => failed(NOW + 1));
  const plan = planWith(claimed, { local });
  expect(plan.copies).toEqual([]);
  expect(plan.puts.map(({ target }) => target)).toEqual([sledId(9), sledId(9)]);
});

test('Nexus sends what two sources failed to, without trying the others first (PL9)', () => {
  const routes = [failed(0), failed(0), undefined, undefined];
  const plan = planWith(routes, { local });
  expect(plan.puts.map(({ sha256 }) => sha256)).toEqual([hash(1)]);
  expect(sourcesOf(plan, 2)).toHaveLength(1);
  expect(sourcesOf(planWith(routes), 1), 'without an archive the others are tried').toHaveLength(1);
});

test('what nobody can get from those that claim to hold it is a failed transfer that names them (PL9, S12)', () => {
  const plan = planWith([failed(NOW + 700), failed(NOW + 300)]);
  expect([...plan.puts, ...plan.copies]).toEqual([]);
  expect(plan.nextAttemptMs).toBe(NOW + 300);
  expect(plan.blocked).toHaveLength(2);
  const [blocked] = plan.blocked.filter(({ sha256 }) => sha256 === hash(2));
  expect(blocked).toMatchObject({ code: 'TRANSFER_FAILED', sledId: sledId(9), error: 'cut until 1300' });
  expect(renderBlocked(blocked!).message).toMatch(/No copy could be made from sleds sled-[12], sled-[12]\.$/);
});

test('each sled that lacks an artifact gets it in the round, or the plan says why and until when (S4, PL4, PL9)', () => {
  const arbRoute = fc.option(
    fc
      .record({ wait: fc.boolean(), artifactWaits: fc.boolean(), failures: fc.nat({ max: 3 }) })
      .map(({ wait, artifactWaits, failures }) =>
        failed(wait ? NOW + 5 : NOW, failures, artifactWaits ? NOW + 9 : NOW),
      ),
    { nil: undefined },
  );
  fc.assert(
    fc.property(fc.array(arbRoute, { maxLength: 5 }), fc.boolean(), fc.nat(), (routes, hasArchive, seed) => {
      const sleds = [...routes.map((_, at) => holding(at + 1)), sled(9), silentSled(10)];
      const plan = planWith(routes, { sleds, ...(hasArchive && { local }) }, seed);
      for (const sha256 of [hash(1), hash(2)]) {
        const asked = [...plan.puts, ...plan.copies].filter(
          each => each.sha256 === sha256 && each.target === sledId(9),
        );
        const why = plan.blocked.filter(each => each.sha256 === sha256);
        expect(asked.length + why.length).toBe(1);
        if (hasArchive) expect(why).toEqual([]);
        for (const { code } of why)
          expect(code === 'TRANSFER_FAILED' ? plan.nextAttemptMs : NOW + 1).toBeGreaterThan(NOW);
      }
      for (const { sha256, source } of plan.copies) {
        const route = routes[[1, 2, 3, 4, 5].findIndex(n => sledId(n) === source)];
        expect(route?.untilMs ?? 0).toBeLessThanOrEqual(NOW);
        expect(route?.artifacts.get(sha256)?.untilMs ?? 0).toBeLessThanOrEqual(NOW);
      }
    }),
  );
});
