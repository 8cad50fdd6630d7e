import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SledId } from '../ids.ts';
import { answeringSleds } from '../inventory.ts';
import { seededRng } from '../rng.ts';
import {
  archiveOf,
  hash,
  listing,
  planInput,
  ROOMY,
  routesTo,
  silentSled,
  sled,
  sledId,
  wantedOf,
} from './fleet.fixture.ts';
import { type PlanInput, pairKey, type TransferUnderWay } from './input.ts';
import { type NextTransfers, nextTransfers, planReplication } from './plan.ts';
import { isOverdue } from './quota.ts';

const NOW_MS = 10_000;

/**
 * Sleds that receive two artifacts: from an archive, from any other sled, in a circle too. Few hold one, since copies from
 * those come first; and there is seldom an archive, since that sends again what comes late.
 */
const arbReceiving: fc.Arbitrary<PlanInput> = fc
  .record({
    sleds: fc.array(
      fc.record({
        held: fc.oneof(
          { weight: 7, arbitrary: fc.constant<number[]>([]) },
          { weight: 1, arbitrary: fc.subarray([0, 1]) },
        ),
        answers: fc.integer({ min: 0, max: 9 }).map(n => n > 0),
        plain: fc.integer({ min: 0, max: 3 }).map(n => n === 0),
        copiesArriving: fc.integer({ min: 0, max: 4 }).map(n => n > 0),
      }),
      { minLength: 3, maxLength: 8 },
    ),
    moving: fc.array(
      fc.record({
        target: fc.nat({ max: 7 }),
        artifact: fc.nat({ max: 1 }),
        source: fc.oneof(
          { weight: 1, arbitrary: fc.constant(undefined) },
          { weight: 4, arbitrary: fc.nat({ max: 7 }) },
        ),
        startedMs: fc.constantFrom(0, 9_000, 9_500),
        passesOn: fc.integer({ min: 0, max: 4 }).map(n => n > 0),
      }),
      { maxLength: 12 },
    ),
    hasArchive: fc.integer({ min: 0, max: 3 }).map(n => n === 0),
    places: fc.integer({ min: 1, max: 3 }),
    smallBytes: fc.constantFrom(0, 1500),
  })
  .map(({ sleds, moving, hasArchive, places, smallBytes }) => {
    const wanted = wantedOf([[0, 1]]);
    const ids = sleds.map((_, n) => sledId(n));
    const underWay = new Map<string, TransferUnderWay>();
    for (const { target, artifact, source, startedMs, passesOn } of moving) {
      const id = ids[target];
      if (id === undefined || source === target) continue;
      const sha256 = hash(artifact);
      const from = source === undefined ? undefined : ids[source];
      const transfer = { sledId: id, sha256, source: from, startedMs, passesOn };
      underWay.set(pairKey(id, sha256), { ...transfer, sizeBytes: wanted.artifacts.get(sha256)! });
    }
    return planInput({
      ...{ wanted, underWay: [...underWay.values()], nowMs: NOW_MS },
      local: hasArchive ? [archiveOf(wanted, 0)] : [],
      policy: {
        minSledReplication: 2,
        limits: { ...ROOMY, maxTransfersToSled: places, maxCopiesFromSource: places, smallBytes },
      },
      sleds: sleds.map(({ held, answers, plain, copiesArriving }, n) => {
        if (!answers) return silentSled(n);
        const answer = listing(held.map(artifact => [hash(artifact), 1 + (n % 2)]));
        return { ...sled(n, answer), isPlain: plain, copiesArriving };
      }),
    });
  });

const planNow = (input: PlanInput, seed: number): NextTransfers =>
  nextTransfers(input, { open: input.wanted.artifacts, isShort: () => true }, seededRng(seed));

const holds = (input: PlanInput, id: SledId, sha256: ReturnType<typeof hash>): boolean =>
  answeringSleds(input.sleds).some(s => s.id === id && (s.answer.held.get(sha256) ?? 0) > 0);

describe('copies from sleds that still receive the artifact (B20, PL11)', () => {
  test('their bytes come from a whole copy, through sleds that receive them in time, and never in a circle', () => {
    fc.assert(
      fc.property(arbReceiving, fc.nat(), (input, seed) => {
        const isPlain = (id: SledId) => input.sleds.some(s => s.id === id && s.isPlain === true);
        for (const { sha256, source, target, arriving } of planNow(input, seed).copies) {
          if (!arriving) {
            expect(holds(input, source, sha256)).toBe(true);
            continue;
          }
          expect(holds(input, target, sha256), 'another copy of it').toBe(false);
          expect(isPlain(target) && !isPlain(source)).toBe(false);
          const passed = new Set<SledId>([target]);
          for (let at: SledId | undefined = source; at !== undefined && !holds(input, at, sha256); ) {
            expect(passed.has(at), 'a circle').toBe(false);
            expect(answeringSleds(input.sleds).some(({ id }) => id === at)).toBe(true);
            passed.add(at);
            const link: TransferUnderWay | undefined = input.underWay.find(
              each => each.sledId === at && each.sha256 === sha256,
            );
            expect(link?.passesOn, 'a sled that receives it and passes it on').toBe(true);
            expect(isOverdue(link!, input)).toBe(false);
            at = link!.source;
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('a sled receives an artifact once at a time, whatever its source', () => {
    fc.assert(
      fc.property(arbReceiving, fc.nat(), (input, seed) => {
        const receiving = new Set(input.underWay.map(each => pairKey(each.sledId, each.sha256)));
        const { puts, copies } = planNow(input, seed);
        for (const { target, sha256 } of [...puts, ...copies]) {
          expect(receiving.has(pairKey(target, sha256))).toBe(false);
          receiving.add(pairKey(target, sha256));
        }
      }),
    );
  });

  test('they have places like any other source (S6, B14)', () => {
    fc.assert(
      fc.property(arbReceiving, fc.nat(), (input, seed) => {
        const { limits } = input.policy;
        const { copies } = planNow(input, seed);
        for (const { source } of copies) {
          const served = [...input.underWay, ...copies].filter(each => each.source === source);
          expect(served.length).toBeLessThanOrEqual(limits.maxCopiesFromSource * 4);
          const large = copies.filter(
            each => each.source === source && each.sizeBytes >= limits.smallBytes,
          ).length;
          expect(large).toBeLessThanOrEqual(limits.maxCopiesFromSource);
        }
      }),
    );
  });

  test('only sleds that know of it copy so; without them, or without such sources, the plan is the one for whole copies', () => {
    fc.assert(
      fc.property(arbReceiving, fc.nat(), (input, seed) => {
        const knowing = new Set(input.sleds.filter(s => s.copiesArriving === true).map(({ id }) => id));
        for (const { arriving, target } of planNow(input, seed).copies)
          if (arriving) expect(knowing.has(target)).toBe(true);
        const plain = {
          ...input,
          sleds: input.sleds.map(({ copiesArriving: _, ...each }) => each),
          underWay: input.underWay.map(({ passesOn: _, ...each }) => each),
        };
        const whole = planReplication(plain, seededRng(seed));
        expect(planReplication({ ...input, sleds: plain.sleds }, seededRng(seed))).toEqual(whole);
        expect(planReplication({ ...input, underWay: plain.underWay }, seededRng(seed))).toEqual(whole);
      }),
    );
  });

  test('an archive sends what it would send without them, to sleds without an identity too (PL1, S5)', () => {
    fc.assert(
      fc.property(arbReceiving, fc.nat(), (input, seed) => {
        const places = { ...input, policy: { ...input.policy, limits: ROOMY } };
        const whole = { ...places, sleds: input.sleds.map(({ copiesArriving: _, ...each }) => each) };
        // Of the first artifact: its copies count as load where the second one is put.
        const [first] = input.wanted.artifacts.keys();
        const putsOf = (of: PlanInput) => planNow(of, seed).puts.filter(({ sha256 }) => sha256 === first);
        expect(putsOf(places)).toEqual(putsOf(whole));
      }),
    );
  });

  const wanted = wantedOf([[1]]);
  const knowing = (n: number, answer = listing()) => ({ ...sled(n, answer), copiesArriving: true });
  const receiving = (n: number, source: number | undefined, startedMs = 0): TransferUnderWay => ({
    ...{ sledId: sledId(n), sha256: hash(1), sizeBytes: 2048, startedMs, passesOn: true },
    source: source === undefined ? undefined : sledId(source),
  });
  const planOf = (input: Partial<PlanInput> & Pick<PlanInput, 'sleds'>) =>
    planNow(planInput({ wanted, local: [archiveOf(wanted, 0)], ...input }), 1);

  test('a sled that has all of it comes first, one that receives it where that one is not free', () => {
    const sleds = [knowing(1, listing([[hash(1), 2]])), knowing(2), knowing(3)];
    const underWay = [receiving(2, 1)];
    const sourceWith = (maxCopiesFromSource: number) =>
      planOf({
        ...{ sleds, underWay },
        policy: { minSledReplication: 1, limits: { ...ROOMY, maxCopiesFromSource } },
      }).copies;
    expect(sourceWith(2)).toMatchObject([{ target: sledId(3), source: sledId(1), arriving: false }]);
    expect(sourceWith(1)).toMatchObject([{ target: sledId(3), source: sledId(2), arriving: true }]);
  });

  test('of those that receive it, the nearest to a whole copy comes first, then what began first', () => {
    const sourceOf = (sleds: readonly number[], ...underWay: TransferUnderWay[]) =>
      planOf({
        ...{ sleds: sleds.map(n => knowing(n)), underWay, nowMs: 2 },
        policy: { minSledReplication: 1, limits: { ...ROOMY, maxCopiesFromSource: 1 } },
      }).copies.map(({ source }) => source);
    const chain = [receiving(3, 2), receiving(2, 1), receiving(1, undefined)];
    expect(sourceOf([1, 2, 3, 4], ...chain), 'only the last one is free').toEqual([sledId(3)]);
    expect(sourceOf([1, 2, 3, 4, 5], ...chain, receiving(4, undefined, 1))).toEqual([sledId(4)]);
    expect(sourceOf([1, 2, 3], receiving(1, undefined, 1), receiving(2, undefined, 0))).toEqual([sledId(2)]);
  });

  test('sleds that receive nothing come first, so that each passes on another artifact than its neighbour (PL12)', () => {
    const two = wantedOf([[1, 2]]);
    const second = { ...receiving(2, undefined), sha256: hash(2) };
    for (let seed = 0; seed < 10; seed += 1) {
      const { copies } = planNow(
        planInput({
          ...{
            wanted: two,
            sleds: [1, 2, 3].map(n => knowing(n)),
            underWay: [receiving(1, undefined), second],
          },
          policy: { minSledReplication: 1, limits: { ...ROOMY, maxCopiesFromSource: 1 } },
        }),
        seed,
      );
      expect(copies[0]).toMatchObject({ sha256: hash(1), target: sledId(3), source: sledId(1) });
    }
  });

  test('one that receives it late is no source, and neither is one behind it (QU3)', () => {
    const sleds = [1, 2, 3].map(n => knowing(n));
    const copiesAt = (nowMs: number) =>
      planOf({ sleds, nowMs, local: [], underWay: [receiving(1, undefined, 0), receiving(2, 1, 5_000)] })
        .copies;
    expect(copiesAt(5_008)).toMatchObject([{ source: sledId(1) }]);
    expect(copiesAt(5_009)).toEqual([]);
  });

  test('after failures of two sources a sled waits for one that has all of it (B21, G8)', () => {
    const sleds = [1, 2, 3, 4].map(n => knowing(n));
    const failed = {
      ...{ untilMs: 0, because: 'cut' },
      artifacts: new Map([[hash(1), { untilMs: 0, because: 'cut', failures: 1 }]]),
    };
    const sourcesAfter = (...failures: (typeof failed | undefined)[]) =>
      planOf({
        ...{ sleds, nowMs: 1, routes: routesTo(4, failures) },
        underWay: [1, 2, 3].map(n => receiving(n, undefined)),
      }).copies.map(({ source }) => source);
    expect(sourcesAfter()).toEqual([sledId(1)]);
    expect(sourcesAfter(failed)).toEqual([sledId(2)]);
    expect(sourcesAfter(failed, failed)).toEqual([]);
  });

  test('a copy from such a source is replaced once it is late: from a whole copy, or from the archive (PL13, G8)', () => {
    const [whole, coming] = [
      knowing(1, listing([[hash(1), 2]])),
      knowing(2, { ...listing(), copiesInFlight: new Set([hash(1)]) }),
    ];
    const copy = { ...receiving(2, 3), arriving: true };
    const slow = receiving(3, undefined);
    const orders = (input: Partial<PlanInput> & Pick<PlanInput, 'sleds'>, nowMs = 5_009) => {
      const { puts, copies } = planOf({ nowMs, underWay: [slow, copy], ...input });
      return [...puts, ...copies].map(each => [each.target, each.kind === 'put' ? 'archive' : each.source]);
    };
    expect(orders({ sleds: [whole, coming, knowing(3)] })).toEqual([[sledId(2), sledId(1)]]);
    expect(orders({ sleds: [whole, coming, knowing(3)] }, 5_008), 'not late').toEqual([]);
    expect(orders({ sleds: [coming, knowing(3)] })).toEqual([[sledId(2), 'archive']]);
    expect(orders({ sleds: [coming, knowing(3)], local: [] })).toEqual([]);
    const other = { ...receiving(4, undefined, 5_000), passesOn: true };
    const sleds = [coming, knowing(3), knowing(4)];
    expect(orders({ sleds, local: [], underWay: [slow, copy, other] }), 'by no other of its kind').toEqual(
      [],
    );
    const wholeCopy = { ...copy, arriving: false };
    expect(orders({ sleds: [whole, coming, knowing(3)], underWay: [slow, wholeCopy] })).toEqual([]);
  });

  test('a sled that was caught with other bytes is none (P9)', () => {
    const sleds = [{ ...knowing(1), isDistrusted: true }, knowing(2)];
    expect(planOf({ sleds, underWay: [receiving(1, undefined)] }).copies).toEqual([]);
  });
});
