import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ArtifactHash, asGeneration, SledId } from './ids.ts';
import {
  type AskedSled,
  divergedHashes,
  planRecovery,
  type RecoveryInput,
  type RecoveryPlan,
  ROOM_ABOVE,
  recoveryObstacles,
} from './recovery.ts';

const LAST = Number.MAX_SAFE_INTEGER;
const OWN = 'digest of the database';
const OTHER = 'digest of something else';
const hash = (digit: string) => ArtifactHash.parse(digit.repeat(64));
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(hash) as [
  ArtifactHash,
  ArtifactHash,
  ArtifactHash,
  ArtifactHash,
];
const idOf = (n: number) => SledId.parse(`00000000-0000-4000-8000-00000000000${n}`);

const sled = (n: number, answer: AskedSled['answer']): AskedSled => ({
  id: idOf(n),
  serial: `sled-${n}`,
  answer,
});
const claims = (
  n: number,
  generation: number,
  held: readonly ArtifactHash[] = [A],
  digest?: string,
): AskedSled => sled(n, { kind: 'claim', generation, digest: digest ?? OTHER, held });
const silent = (n: number) => sled(n, { kind: 'silent', message: 'connection refused' });

/** The database is at generation 5, lists A, and remembers B of a deleted release. */
const database = { generation: asGeneration(5), digest: OWN };
const input = (sleds: readonly AskedSled[], more: Partial<RecoveryInput> = {}): RecoveryInput => ({
  database,
  sleds,
  excluded: new Set(),
  known: new Map([
    [A, 'present'],
    [B, 'deleted'],
  ]),
  ...more,
});
const plan = (...args: Parameters<typeof input>) => planRecovery(input(...args));
const excluding = (...numbers: number[]) => ({ excluded: new Set(numbers.map(idOf)) });
const fates = (of: RecoveryPlan) => of.sleds.map(({ fate }) => fate);
const codes = (of: RecoveryPlan, letsGoOfUnknown = false) =>
  recoveryObstacles(of, { letsGoOfUnknown }).map(({ code }) => code);

describe('P7, RG1: the new generation', () => {
  test('is one above the highest claim, and sleds behind or at one with the database are left alone', () => {
    const found = plan([claims(1, 4), claims(2, 5, [A], OWN), claims(3, 9), claims(4, 7)]);
    expect(found.outcome).toEqual({ kind: 'raise', to: 10 });
    expect(fates(found)).toEqual(['agrees', 'agrees', 'comes_back', 'comes_back']);
  });

  test('is one above the database where a sled has another set at the same generation', () => {
    const found = plan([claims(1, 5), claims(2, 5, [A], OWN)]);
    expect(found.outcome).toEqual({ kind: 'raise', to: 6 });
    expect(fates(found)).toEqual(['comes_back', 'agrees']);
    expect(found.sleds[0]!.because).toContain('another set of artifacts at generation 5');
  });

  test('is not needed where nothing has diverged: no sled, no config yet, no digest told, nobody answers', () => {
    const untold = sled(1, { kind: 'claim', generation: 5, digest: undefined, held: [C] });
    for (const sleds of [[], [untold], [sled(1, { kind: 'no_config' })], [claims(1, 0)], [silent(1)]])
      expect(plan(sleds)).toMatchObject({ outcome: { kind: 'not_needed' }, unknown: [], deleted: [] });
    expect(fates(plan([silent(1), untold]))).toEqual(['silent', 'agrees']);
  });

  test('takes no notice of what is beyond 2^53 - 1, or no generation at all', () => {
    for (const bogus of [LAST + 1, 2 ** 64, -1, 7.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const found = plan([claims(1, bogus), claims(2, 7)]);
      expect(found.outcome).toEqual({ kind: 'raise', to: 8 });
      expect(fates(found)).toEqual(['unbelievable', 'comes_back']);
      expect(found.sleds[0]).toMatchObject({ generation: undefined });
      expect(plan([claims(1, bogus)]).outcome).toEqual({ kind: 'not_needed' });
    }
  });

  test('leaves room above itself: who claims more than that has to be excluded', () => {
    const highest = LAST - ROOM_ABOVE;
    expect(plan([claims(1, highest - 1)]).outcome).toEqual({ kind: 'raise', to: highest });
    for (const claimed of [highest, LAST - 1, LAST]) {
      const found = plan([claims(1, claimed, [C]), claims(2, 8, [D])]);
      expect(found.outcome).toEqual({ kind: 'no_room', claimants: ['sled-1'] });
      expect(codes(found)).toEqual(['RECOVERY_NO_GENERATION_LEFT']);
      expect(found.unknown.map(({ sha256 }) => sha256)).toEqual([C, D]);
      expect(plan([claims(1, claimed), claims(2, 8)], excluding(1)).outcome).toEqual({
        kind: 'raise',
        to: 9,
      });
    }
  });

  test('goes on to the very last one where the database is up there already', () => {
    const at = (generation: number) => ({ database: { generation: asGeneration(generation), digest: OWN } });
    expect(plan([claims(1, LAST - 1)], at(LAST - 1)).outcome).toEqual({ kind: 'raise', to: LAST });
    expect(plan([claims(1, LAST)], at(LAST - 1)).outcome).toMatchObject({ kind: 'no_room' });
    expect(plan([claims(1, LAST)], at(LAST)).outcome).toMatchObject({ kind: 'no_room' });
  });

  test('may be asked to be higher, but not below a claim that counts, nor out of bounds', () => {
    const asked = (to: number) => plan([claims(1, 9)], { to }).outcome;
    expect(asked(10)).toEqual({ kind: 'raise', to: 10 });
    expect(asked(1000)).toEqual({ kind: 'raise', to: 1000 });
    for (const to of [0, 5, 9, LAST, LAST + 1, 10.5])
      expect(asked(to)).toEqual({ kind: 'refused', lowest: 10, highest: LAST - ROOM_ABOVE });
  });
});

describe('P7, RG2: an excluded sled', () => {
  test('stays diverged and keeps what it has where its claim is not below the new generation', () => {
    const found = plan([claims(1, 1000, [C, D]), claims(2, 7)], excluding(1));
    expect(found.outcome).toEqual({ kind: 'raise', to: 8 });
    expect(found.sleds[0]).toMatchObject({ fate: 'stays_diverged', isExcluded: true, unknownArtifacts: 2 });
    expect(found).toMatchObject({ unknown: [], deleted: [] });
    expect(codes(found)).toEqual([]);
    expect(fates(plan([claims(1, 8), claims(2, 7)], excluding(1)))).toEqual(['stays_diverged', 'comes_back']);
  });

  test('comes back all the same below it, and what it would let go of is listed', () => {
    const found = plan([claims(1, 6, [C]), claims(2, 7)], excluding(1));
    expect(fates(found)).toEqual(['comes_back', 'comes_back']);
    expect(found.sleds[0]!.because).toContain('all the same');
    expect(found.unknown).toEqual([{ sha256: C, sleds: [idOf(1)] }]);
    expect(fates(plan([claims(1, 100), claims(2, 7)], { ...excluding(1), to: 101 }))).toEqual(
      Array(2).fill('comes_back'),
    );
  });

  test('is at one with the database where it claims the new generation with the same set', () => {
    expect(fates(plan([claims(1, 8, [A], OWN), claims(2, 7)], excluding(1)))[0]).toBe('comes_back');
  });

  test('asks for no recovery by itself', () => {
    expect(plan([claims(1, 9)], excluding(1)).outcome).toEqual({ kind: 'not_needed' });
  });
});

describe('P7, RG3: what would be let go of', () => {
  test('is told apart: unknown to the database, of deleted releases only, kept', () => {
    const found = plan([claims(1, 7, [A, B, C]), claims(2, 8, [D, C]), claims(3, 5, [D], OWN)]);
    expect(found.unknown).toEqual([
      { sha256: C, sleds: [idOf(1), idOf(2)] },
      { sha256: D, sleds: [idOf(2)] },
    ]);
    expect(found.deleted).toEqual([{ sha256: B, sleds: [idOf(1)] }]);
    expect(found.sleds.map(each => each.unknownArtifacts)).toEqual([1, 2, 0]);
    const [obstacle] = recoveryObstacles(found, { letsGoOfUnknown: false });
    expect(obstacle).toMatchObject({ code: 'RECOVERY_LOSES_ARTIFACTS', message: expect.stringContaining(C) });
    expect(codes(found, true)).toEqual([]);
  });

  test('is not known of a silent sled: it has to be excluded by name', () => {
    const found = plan([silent(1), claims(2, 7)]);
    expect(codes(found)).toEqual(['RECOVERY_SLED_SILENT']);
    expect(codes(found, true), 'whatever else is confirmed').toEqual(['RECOVERY_SLED_SILENT']);
    expect(codes(plan([silent(1), claims(2, 7)], excluding(1)))).toEqual([]);
    expect(codes(plan([silent(1)])), 'nothing is done').toEqual([]);
    // G8: a sled that answers rubbish has nothing that could be waited for.
    expect(codes(plan([sled(1, { kind: 'bad_answer', message: 'not JSON' }), claims(2, 7)]))).toEqual([]);
  });
});

const HASHES = [A, B, C, D];
const arbAnswer: fc.Arbitrary<AskedSled['answer']> = fc.oneof(
  { weight: 5, arbitrary: arbClaim() },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ kind: 'no_config' } as const, { kind: 'silent', message: 'x' } as const),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'bad_answer', message: 'x' } as const) },
);
function arbClaim() {
  return fc.record({
    kind: fc.constant('claim' as const),
    generation: fc.oneof(
      fc.nat(12),
      fc.constantFrom(LAST + 1, 2 ** 60, LAST, LAST - 1, LAST - ROOM_ABOVE, LAST - ROOM_ABOVE - 1, -1, 0.5),
    ),
    digest: fc.constantFrom(OWN, OTHER, undefined),
    held: fc.subarray(HASHES),
  });
}
const arbInput: fc.Arbitrary<RecoveryInput> = fc
  .tuple(
    fc.constantFrom(1, 3, 5, 9, LAST - ROOM_ABOVE, LAST - 1, LAST),
    fc.array(fc.tuple(arbAnswer, fc.boolean()), { maxLength: 6 }),
    fc.array(fc.constantFrom('present' as const, 'deleted' as const, undefined), {
      minLength: 4,
      maxLength: 4,
    }),
    fc.option(fc.nat(20), { nil: undefined }),
  )
  .map(([generation, answers, states, to]) => ({
    database: { generation: asGeneration(generation), digest: OWN },
    sleds: answers.map(([answer], n) => sled(n + 1, answer)),
    excluded: new Set(answers.flatMap(([, excluded], n) => (excluded ? [idOf(n + 1)] : []))),
    known: new Map(
      HASHES.flatMap((each, n) => (states[n] === undefined ? [] : [[each, states[n]] as const])),
    ),
    to,
  }));

/** Raises the database, and has each sled do what a sled does: adopt what is newer, and then let go of what that does not list. */
const obey = (given: RecoveryInput, { outcome }: RecoveryPlan): RecoveryInput => {
  if (outcome.kind !== 'raise') return given;
  const after = { ...given.database, generation: outcome.to };
  const sleds = given.sleds.map(({ answer, ...of }) => {
    if (answer.kind !== 'claim' || !(answer.generation < outcome.to)) return { ...of, answer };
    const held = answer.held.filter(each => given.known.get(each) === 'present');
    return { ...of, answer: { ...answer, generation: outcome.to, digest: OWN, held } };
  });
  return { ...given, database: after, sleds, to: undefined };
};
const holding = ({ sleds }: Pick<RecoveryInput, 'sleds'>, of: ArtifactHash): readonly SledId[] =>
  sleds.flatMap(({ id, answer }) => (answer.kind === 'claim' && answer.held.includes(of) ? [id] : []));
const PROPERTY = { numRuns: 3000 };

describe('for every fleet', () => {
  test('RG4: who obeys a plan has nothing to recover afterwards', () => {
    fc.assert(
      fc.property(arbInput, given => {
        const found = planRecovery(given);
        if (found.outcome.kind !== 'raise') return;
        expect(found.outcome.to).toBeGreaterThan(given.database.generation);
        expect(planRecovery(obey(given, found)).outcome).toEqual({ kind: 'not_needed' });
      }),
      PROPERTY,
    );
  });

  test('RG3: obeying loses, of the sleds that have diverged, exactly what the plan lists', () => {
    fc.assert(
      fc.property(arbInput, given => {
        const found = planRecovery(given);
        if (found.outcome.kind !== 'raise') return;
        const after = obey(given, found);
        const diverged = new Set(
          found.sleds
            .filter(({ fate }) => fate === 'comes_back' || fate === 'stays_diverged')
            .map(({ id }) => id),
        );
        for (const each of HASHES) {
          const kept = holding(after, each);
          const lost = holding(given, each).filter(id => diverged.has(id) && !kept.includes(id));
          const listed = [...found.unknown, ...found.deleted].find(({ sha256 }) => sha256 === each);
          // One that is at the new generation already, with the database's own set, changes nothing.
          const sleds = listed?.sleds.filter(
            id => after.sleds.find(s => s.id === id)!.answer !== given.sleds.find(s => s.id === id)!.answer,
          );
          expect(sleds ?? []).toEqual(lost);
        }
      }),
      PROPERTY,
    );
  });

  test('RG1: without a generation asked for it goes one above the highest claim that counts, and no lower would do', () => {
    fc.assert(
      fc.property(arbInput, given => {
        const found = planRecovery({ ...given, to: undefined });
        if (found.outcome.kind !== 'raise') return;
        const { to } = found.outcome;
        const counted = given.sleds.flatMap(({ id, answer }) =>
          answer.kind === 'claim' && answer.generation <= LAST && !given.excluded.has(id)
            ? [answer.generation]
            : [],
        );
        expect(to).toBe(Math.max(...counted) + 1);
        expect(planRecovery({ ...given, to: to - 1 }).outcome).toMatchObject({ kind: 'refused', lowest: to });
      }),
      PROPERTY,
    );
  });

  test('every sled is in the plan, in its order, and only what has diverged is looked up', () => {
    fc.assert(
      fc.property(arbInput, given => {
        const found = planRecovery(given);
        expect(found.sleds.map(({ id }) => id)).toEqual(given.sleds.map(({ id }) => id));
        const asked = divergedHashes(given);
        for (const { sha256 } of [...found.unknown, ...found.deleted]) expect(asked.has(sha256)).toBe(true);
      }),
      PROPERTY,
    );
  });
});
