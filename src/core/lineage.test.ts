import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asGeneration, type Point, PointText, pointText } from './ids.ts';
import { isKnownPoint, type RecordedPoints, samePoint, shortPoint, standingOf } from './lineage.ts';

const digest = (letter: string) => letter.repeat(64);
const point = (generation: number, letter = 'a'): Point => ({
  generation: asGeneration(generation),
  digest: digest(letter),
});
const claim = (of: Point, hasLineage: boolean) => ({ ...of, hasLineage });
const lineage = (first: number, ...points: readonly Point[]): RecordedPoints => ({
  first: asGeneration(first),
  recorded: new Set(points.map(pointText)),
});

/** The table began at generation 30. */
const UPGRADED = lineage(30, point(30), point(31, 'b'));

describe('a point is known to the database (LN1)', () => {
  test.for([
    ['that is recorded', point(31, 'b'), { withLineage: true, without: true }],
    ['that is the first one recorded', point(30), { withLineage: true, without: true }],
    ['of a recorded generation with another digest', point(31, 'c'), { withLineage: false, without: false }],
    ['of the first generation with another digest', point(30, 'c'), { withLineage: false, without: false }],
    ['older than the first, which is not recorded', point(29), { withLineage: false, without: true }],
    ['above all that are recorded', point(32), { withLineage: false, without: false }],
  ] as const)('or not: one %s', ([, of, known]) => {
    expect(isKnownPoint(claim(of, true), UPGRADED)).toBe(known.withLineage);
    expect(isKnownPoint(claim(of, false), UPGRADED)).toBe(known.without);
  });

  test('only if it is recorded: a low number is not enough for a sled that had a lineage', () => {
    expect(isKnownPoint(claim(point(1), true), UPGRADED)).toBe(false);
    expect(isKnownPoint(claim(point(1), false), UPGRADED)).toBe(true);
  });
});

const arbPoint = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.constantFrom('a', 'b')).map(at => point(...at));

test('of two points with one number at most the recorded one is known, unless it is older than the table (LN2)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(arbPoint),
      arbPoint,
      fc.boolean(),
      (first, all, of, has) => {
        const isRecorded = all.some(each => samePoint(each, of));
        const known = isKnownPoint(claim(of, has), lineage(first, ...all));
        expect(known).toBe(isRecorded || (!has && of.generation < first));
      },
    ),
  );
});

describe('a config may take the place of a point', () => {
  const offered = point(32, 'c');
  const recorded = lineage(30, point(30), point(31, 'b'), offered, point(33));
  const standing = (of: Point, current = offered) =>
    standingOf(claim(of, true), offered, { current, lineage: recorded });

  test('that is older and of the database, as long as the config is the one of the database', () => {
    expect(standing(point(31, 'b'))).toBe('ancestor');
    expect(standing(point(31, 'b'), point(33)), 'the config is an old one').toBe('newer');
    expect(standing(point(33), point(33))).toBe('newer');
    expect(standing(offered)).toBe('same');
  });

  test('never of one that the database does not know, whatever its number (P7, P13)', () => {
    for (const of of [point(31, 'x'), point(32, 'x'), point(40)]) expect(standing(of)).toBe('conflicting');
    const restored = { current: point(30), lineage: lineage(30, point(30)) };
    expect(standingOf(claim(offered, true), offered, restored), 'its own config too').toBe('conflicting');
  });
});

test('points are the same if number and digest are, and only then is their text', () => {
  fc.assert(
    fc.property(arbPoint, arbPoint, (a, b) => {
      expect(samePoint(a, b)).toBe(pointText(a) === pointText(b));
      expect(PointText.parse(pointText(a))).toEqual(a);
    }),
  );
});

test('the text of a point is refused when its number is beyond 2^53 - 1, or it names no whole digest', () => {
  for (const text of [
    `9007199254740993:${digest('a')}`,
    '1:abc',
    `1:${digest('A')}`,
    digest('a'),
    `-1:${digest('a')}`,
  ])
    expect(PointText.safeParse(text).success, text).toBe(false);
});

test('a sentence names a point by its number and the beginning of its digest', () => {
  expect(shortPoint(point(17))).toBe('17:aaaaaaaaaaaa');
});
