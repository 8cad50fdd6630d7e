import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderFinding, renderObstacle } from './facts/recovery.ts';
import { ArtifactHash, asGeneration, type Point, pointText, SledId } from './ids.ts';
import { isKnownPoint, type PointClaim, samePoint } from './lineage.ts';
import {
  type AskedSled,
  acceptedOf,
  BELIEVABLE_ABOVE,
  planRecovery,
  type RecoveryInput,
  type RecoveryPlan,
  recoveryObstacles,
  unknownPoints,
} from './recovery.ts';

const hash = (letter: string) => ArtifactHash.parse(letter.repeat(64));
const HASHES = ['a', 'b', 'c', 'd'].map(hash);
const [A, B, C, D] = HASHES as [ArtifactHash, ArtifactHash, ArtifactHash, ArtifactHash];
const idOf = (n: number) => SledId.parse(`00000000-0000-4000-8000-00000000000${n}`);

/** The digest of a set stands for it here: its letters, four times over. */
const digestOf = (set: string) => Buffer.from(set.padEnd(4, '-')).toString('hex').padEnd(64, '0');
const point = (generation: number, set = 'a'): Point => ({
  generation: asGeneration(generation),
  digest: digestOf(set),
});
const claim = (of: Point, hasLineage = true): PointClaim => ({ ...of, hasLineage });
const setsOf = (...known: readonly (readonly [Point, readonly ArtifactHash[]])[]) => ({
  sets: new Map(known.map(([of, hashes]) => [pointText(of), new Set(hashes)] as const)),
});

const sled = (n: number, answer: AskedSled['answer']): AskedSled => ({
  id: idOf(n),
  serial: `sled-${n}`,
  answer,
});
const holds = (n: number, own: Point | undefined, ...kept: readonly Point[]) =>
  sled(n, { kind: 'points', own: own && claim(own), kept: kept.map(each => claim(each)) });
const silent = (n: number) => sled(n, { kind: 'silent', message: 'connection refused' });

/** The database is at generation 5, began at 3, lists A, and remembers B of a deleted release. */
const CURRENT = point(5);
const database = {
  current: CURRENT,
  lineage: { first: asGeneration(3), recorded: new Set([point(3), point(4, 'ab'), CURRENT].map(pointText)) },
};
const input = (sleds: readonly AskedSled[], more: Partial<RecoveryInput> = {}): RecoveryInput => ({
  database,
  sleds,
  excluded: new Set(),
  sets: new Map(),
  known: new Map([
    [A, 'present'],
    [B, 'deleted'],
  ]),
  givenUp: new Set(),
  ...more,
});
const plan = (...args: Parameters<typeof input>) => planRecovery(input(...args));
const excluding = (...numbers: number[]) => ({ excluded: new Set(numbers.map(idOf)) });
const givingUp = (...hashes: ArtifactHash[]) => ({ givenUp: new Set(hashes) });
const fates = (of: RecoveryPlan) => of.sleds.map(({ fate }) => fate);
const codes = (of: RecoveryPlan) => recoveryObstacles(of).map(({ code }) => code);

const LOST = point(9, 'ac');
const LOST_SET = setsOf([LOST, [A, C]]);

describe('the points to decide on', () => {
  test('are those that the database never recorded, whatever their number, each with the sleds that have it', () => {
    const [below, same, above] = [point(4, 'c'), point(5, 'c'), point(9, 'c')];
    const sleds = [
      holds(1, above),
      holds(2, below, above),
      holds(3, same),
      holds(4, CURRENT, point(4, 'ab')),
    ];
    expect(unknownPoints(input(sleds))).toEqual([
      { point: below, sleds: [idOf(2)] },
      { point: same, sleds: [idOf(3)] },
      { point: above, sleds: [idOf(1), idOf(2)] },
    ]);
  });

  test('are none where every sled is at a recorded point, has no config, is silent, or is older than the table', () => {
    const old = sled(1, { kind: 'points', own: claim(point(2, 'c'), false), kept: [] });
    for (const sleds of [[], [old], [holds(1, undefined)], [holds(1, point(4, 'ab'))], [silent(1)]])
      expect(plan(sleds)).toMatchObject({ outcome: { kind: 'not_needed' }, points: [], undecided: [] });
    expect(fates(plan([silent(1), old, holds(2, undefined)]))).toEqual(['silent', 'agrees', 'agrees']);
  });

  test('include one older than the table that comes from a sled with a lineage', () => {
    expect(plan([holds(1, point(2, 'c'))]).points).toMatchObject([{ point: point(2, 'c') }]);
  });

  test('include what a sled keeps, though it agrees by now itself', () => {
    const found = plan([holds(1, CURRENT, LOST)], LOST_SET);
    expect(fates(found)).toEqual(['agrees']);
    expect(found.points).toEqual([{ point: LOST, sleds: [idOf(1)], artifacts: 2 }]);
    expect(found.sleds[0]!.finding).toMatchObject({ keptPoints: 1 });
  });

  test('include none that only an excluded sled has', () => {
    const found = plan([holds(1, LOST), holds(2, point(7, 'd'), LOST)], { ...excluding(2), ...LOST_SET });
    expect(found.points).toEqual([{ point: LOST, sleds: [idOf(1)], artifacts: 2 }]);
    expect(found.sleds[1]).toMatchObject({ isExcluded: true, fate: 'stays_diverged' });
    expect(plan([holds(1, LOST)], excluding(1)).outcome).toEqual({ kind: 'not_needed' });
  });
});

describe('the whole set of an unknown point is decided on (RG1)', () => {
  test('what a present release lists is decided, and the recovery can go on', () => {
    const found = plan([holds(1, LOST)], setsOf([LOST, [A]]));
    expect(found).toMatchObject({ outcome: { kind: 'recover', to: 10 }, undecided: [] });
    expect(fates(found)).toEqual(['comes_back']);
    expect(codes(found)).toEqual([]);
  });

  test('what only a deleted release lists, or none, stands in the way until it is given up by name', () => {
    const all = setsOf([LOST, [A, B, C, D]]);
    const found = plan([holds(1, LOST)], all);
    expect(found.undecided).toEqual([
      { sha256: B, isDeleted: true, points: [LOST] },
      { sha256: C, isDeleted: false, points: [LOST] },
      { sha256: D, isDeleted: false, points: [LOST] },
    ]);
    const [obstacle] = recoveryObstacles(found);
    expect(obstacle).toEqual({ code: 'RECOVERY_LOSES_ARTIFACTS', artifacts: 3, first: [B, C, D] });
    expect(renderObstacle(obstacle!).remedy).toContain('give them up by name');
    expect(plan([holds(1, LOST)], { ...all, ...givingUp(B, C) }).undecided).toMatchObject([{ sha256: D }]);
    expect(codes(plan([holds(1, LOST)], { ...all, ...givingUp(B, C, D) }))).toEqual([]);
  });

  test('an artifact of several points is one decision', () => {
    const other = point(7, 'cd');
    const more = setsOf([LOST, [C]], [other, [C, D]]);
    expect(plan([holds(1, LOST), holds(2, other)], more).undecided).toEqual([
      { sha256: C, isDeleted: false, points: [other, LOST] },
      { sha256: D, isDeleted: false, points: [other] },
    ]);
  });

  test('a point whose set nobody gave stays unknown, and its sleds stay diverged (RG2)', () => {
    const unread = point(20, 'd');
    const found = plan([holds(1, LOST), holds(2, unread)], setsOf([LOST, [A]]));
    expect(found.outcome).toEqual({ kind: 'recover', to: 10 });
    expect(fates(found)).toEqual(['comes_back', 'stays_diverged']);
    expect(acceptedOf(found.points)).toEqual([LOST]);
    expect(found.sleds[1]!.finding).toMatchObject({ kind: 'set_missing', point: unread });
    expect(codes(found)).toEqual([]);
  });

  test('where nobody gave any set there is nothing to act on, and the message says what to do', () => {
    const found = plan([holds(1, LOST), silent(2)]);
    const [obstacle] = recoveryObstacles(found);
    expect(obstacle).toEqual({ code: 'RECOVERY_SLED_SILENT', points: [LOST] });
    expect(renderObstacle(obstacle!).remedy).toMatch(/^Start a sled that holds it, or reset/);
  });

  test('a silent sled does not stop the others, and is named: it may hold an unknown point too (G8)', () => {
    const found = plan([silent(1), holds(2, LOST)], setsOf([LOST, [A]]));
    expect(codes(found)).toEqual([]);
    expect(found.sleds[0]).toMatchObject({
      fate: 'silent',
      finding: { kind: 'no_answer', error: 'connection refused' },
    });
    const bad = plan(
      [sled(1, { kind: 'bad_answer', message: 'not JSON' }), holds(2, LOST)],
      setsOf([LOST, [A]]),
    );
    expect(fates(bad)).toEqual(['unbelievable', 'comes_back']);
  });
});

describe('the new generation (RG3)', () => {
  const outcome = (sleds: readonly AskedSled[], more: Partial<RecoveryInput> = {}) => {
    const all = sleds.flatMap(({ answer }) => (answer.kind === 'points' ? [answer.own, ...answer.kept] : []));
    const sets = setsOf(...all.flatMap(of => (of === undefined ? [] : [[of, [A]] as const])));
    return plan(sleds, { ...sets, ...more }).outcome;
  };

  test('is one above the highest point that becomes known', () => {
    expect(outcome([holds(1, point(7, 'c')), holds(2, point(9, 'c')), holds(3, CURRENT)])).toEqual({
      kind: 'recover',
      to: 10,
    });
  });

  test('is one above the database where a sled has another set at its generation', () => {
    expect(outcome([holds(1, point(5, 'c'))])).toEqual({ kind: 'recover', to: 6 });
  });

  test('stays where it is when every point that becomes known is below it', () => {
    expect(outcome([holds(1, point(4, 'c'))])).toEqual({ kind: 'recover', to: 5 });
  });

  test('may be asked to be higher, but not below what will do, nor beyond what sleds believe', () => {
    const asked = (to: number) => outcome([holds(1, LOST)], { to });
    const highest = 5 + BELIEVABLE_ABOVE + 1;
    for (const to of [10, 1_000, highest]) expect(asked(to)).toEqual({ kind: 'recover', to });
    for (const to of [0, 9, highest + 1, Number.MAX_SAFE_INTEGER + 1, 10.5])
      expect(asked(to)).toEqual({ kind: 'refused', lowest: 10, highest });
  });

  test('does not follow a claim more than 2^32 above the database (RG4, G8)', () => {
    const last = point(5 + BELIEVABLE_ABOVE, 'c');
    expect(outcome([holds(1, last)])).toEqual({ kind: 'recover', to: last.generation + 1 });
    for (const bogus of [point(last.generation + 1, 'c'), point(Number.MAX_SAFE_INTEGER, 'c')]) {
      const sleds = [holds(1, bogus, bogus), holds(2, LOST)];
      expect(outcome(sleds)).toEqual({ kind: 'recover', to: 10 });
      const found = plan(sleds, setsOf([bogus, [D]], [LOST, [A]]));
      expect(found.sleds[0]).toMatchObject({ fate: 'unbelievable', generation: undefined });
      expect(found.sleds[0]!.finding).toMatchObject({ kind: 'unbelievable_point' });
      expect(found.undecided).toEqual([]);
      expect(outcome([holds(1, bogus)])).toEqual({ kind: 'not_needed' });
      const kept = plan([holds(1, CURRENT, bogus), holds(2, undefined, bogus)]);
      expect(fates(kept), 'a kept one is named too, with its way out').toEqual([
        'unbelievable',
        'unbelievable',
      ]);
      expect(kept.sleds[0]!.finding).toMatchObject({ kind: 'unbelievable_kept_point' });
      expect(renderFinding(kept.sleds[0]!.finding).remedy).toContain(
        'sled-agent reset --config FILE --give-up',
      );
    }
  });
});

/** Points of few numbers and sets, so that sleds meet; the digests say what the sets are. */
const SETS = ['', 'a', 'ab', 'c', 'bcd'];
const hashesOf = (set: string) => [...set].map(hash);
const arbPoint = fc
  .tuple(
    fc.oneof({ weight: 9, arbitrary: fc.nat(9) }, { weight: 1, arbitrary: fc.constant(2 ** 40) }),
    fc.constantFrom(...SETS),
  )
  .map(([generation, set]) => ({ of: point(generation, set), set }));
const arbAnswer: fc.Arbitrary<AskedSled['answer']> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        own: fc.option(arbPoint, { nil: undefined }),
        kept: fc.array(arbPoint, { maxLength: 2 }),
        has: fc.boolean(),
      })
      .map(({ own, kept, has }) => ({
        kind: 'points' as const,
        own: own && claim(own.of, has),
        kept: kept.map(({ of }) => claim(of)),
      })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'silent', message: 'x' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'bad_answer', message: 'x' } as const) },
);
const arbInput: fc.Arbitrary<RecoveryInput> = fc
  .record({
    recorded: fc.array(arbPoint, { maxLength: 4 }),
    current: arbPoint.filter(({ of }) => of.generation > 0),
    answers: fc.array(fc.record({ answer: arbAnswer, excluded: fc.boolean() }), { maxLength: 6 }),
    unread: fc.subarray(SETS),
    states: fc.array(fc.constantFrom('present' as const, 'deleted' as const, undefined), {
      minLength: 4,
      maxLength: 4,
    }),
    givenUp: fc.subarray(HASHES),
  })
  .map(({ recorded, current, answers, unread, states, givenUp }) => {
    const points = [
      ...recorded.map(({ of }) => of).filter(of => of.generation <= current.of.generation),
      current.of,
    ];
    const first = asGeneration(Math.min(...points.map(({ generation }) => generation)));
    const given: RecoveryInput = {
      database: { current: current.of, lineage: { first, recorded: new Set(points.map(pointText)) } },
      sleds: answers.map(({ answer }, n) => sled(n + 1, answer)),
      excluded: new Set(answers.flatMap(({ excluded }, n) => (excluded ? [idOf(n + 1)] : []))),
      sets: new Map(),
      known: new Map(
        HASHES.flatMap((each, n) => (states[n] === undefined ? [] : [[each, states[n]] as const])),
      ),
      givenUp: new Set(givenUp),
    };
    const sets = unknownPoints(given).flatMap(({ point: of }) => {
      const set = SETS.find(each => digestOf(each) === of.digest)!;
      return unread.includes(set) ? [] : [[pointText(of), new Set(hashesOf(set))] as const];
    });
    return { ...given, sets: new Map(sets) };
  });

/** The database does what the plan says; every sled at a known point takes its config, and forgets what is known. */
const obey = (given: RecoveryInput, { outcome, points }: RecoveryPlan): RecoveryInput => {
  if (outcome.kind !== 'recover') return given;
  const { lineage } = given.database;
  const current = { ...given.database.current, generation: outcome.to };
  const recorded = new Set([...lineage.recorded, ...acceptedOf(points).map(pointText), pointText(current)]);
  const after = { current, lineage: { ...lineage, recorded } };
  const isKnown = (of: PointClaim) => isKnownPoint(of, after.lineage);
  const sleds = given.sleds.map(({ answer, ...of }) => {
    if (answer.kind !== 'points') return { ...of, answer };
    const own = answer.own !== undefined && isKnown(answer.own) ? claim(current) : answer.own;
    return { ...of, answer: { ...answer, own, kept: answer.kept.filter(each => !isKnown(each)) } };
  });
  return { ...given, database: after, sleds };
};
const forEvery = (check: (given: RecoveryInput, found: RecoveryPlan) => void) =>
  fc.assert(
    fc.property(arbInput, given => check(given, planRecovery(given))),
    { numRuns: 3_000 },
  );

describe('for every fleet', () => {
  test('acting on a plan leaves nothing of it to do: what is still unknown is what no sled gave (RG5)', () =>
    forEvery((given, found) => {
      if (found.outcome.kind !== 'recover') return;
      const after = obey(given, found);
      // One that the database comes to is known by that: its set is the wanted one.
      const unread = found.points.filter(
        ({ point: of, artifacts }) => artifacts === undefined && !samePoint(of, after.database.current),
      );
      const again = planRecovery(after);
      expect(again.points.map(({ point: of }) => of)).toEqual(unread.map(({ point: of }) => of));
      expect(again.undecided).toEqual([]);
      if (unread.length === 0) expect(again.outcome).toEqual({ kind: 'not_needed' });
      else expect(codes(again)).toEqual(['RECOVERY_SLED_SILENT']);
    }));

  test('a plan without obstacles loses nothing that was wanted at a point it makes known, unless it was given up', () =>
    forEvery((given, found) => {
      if (codes(found).length > 0) return;
      for (const accepted of acceptedOf(found.points))
        for (const wanted of given.sets.get(pointText(accepted))!)
          expect(given.known.get(wanted) === 'present' || given.givenUp.has(wanted)).toBe(true);
    }));

  test('a sled comes back exactly if it counts or another that counts has its point, and its set was given (RG2)', () =>
    forEvery((given, found) => {
      const accepted = acceptedOf(found.points);
      for (const [n, { answer }] of given.sleds.entries()) {
        if (answer.kind !== 'points' || answer.own === undefined) continue;
        const { own } = answer;
        const comesBack =
          accepted.some(of => samePoint(of, own)) && !isKnownPoint(own, given.database.lineage);
        expect(found.sleds[n]!.fate === 'comes_back').toBe(comesBack);
      }
    }));

  test('the new generation is above all that becomes known, not below the database, and no lower one would do (RG3)', () =>
    forEvery((given, found) => {
      const { outcome } = found;
      if (outcome.kind !== 'recover') return;
      const { generation } = given.database.current;
      for (const of of acceptedOf(found.points)) expect(outcome.to).toBeGreaterThan(of.generation);
      expect(outcome.to).toBeGreaterThanOrEqual(generation);
      expect(outcome.to - generation).toBeLessThanOrEqual(BELIEVABLE_ABOVE + 1);
      expect(planRecovery({ ...given, to: outcome.to - 1 }).outcome).toMatchObject({
        kind: 'refused',
        lowest: outcome.to,
      });
    }));

  test('every sled is in the plan, in its order, and an excluded one brings in no point of its own', () =>
    forEvery((given, found) => {
      expect(found.sleds.map(({ id }) => id)).toEqual(given.sleds.map(({ id }) => id));
      for (const { sleds } of found.points) {
        expect(sleds.length).toBeGreaterThan(0);
        for (const id of sleds) expect(given.excluded.has(id)).toBe(false);
      }
    }));
});
