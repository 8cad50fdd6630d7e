import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asGeneration } from '../../../core/ids.ts';
import { admitMend, admitRaise, MAX_MEND, requirePlannedPoint } from './generation.ts';

const LAST = Number.MAX_SAFE_INTEGER;
const raise = (before: number, to: number, how: Partial<Parameters<typeof admitRaise>[2]> = {}) =>
  admitRaise(asGeneration(before), asGeneration(to), { repeated: false, accepts: false, ...how });

describe('what a recovery may make of the generation (P7)', () => {
  test('it rises to any higher number', () => {
    for (const to of [6, 1_000, LAST]) expect(raise(5, to)).toBe('raise');
  });

  test('it stays only where there are points to accept, or an earlier attempt has raised it', () => {
    expect(() => raise(5, 5)).toThrow('never falls');
    expect(raise(5, 5, { accepts: true })).toBe('stay');
    expect(raise(5, 5, { repeated: true })).toBe('stay');
  });

  test('it never falls, whatever is accepted and however often it is tried', () => {
    for (const accepts of [true, false])
      for (const repeated of [true, false])
        expect(() => raise(5, 4, { accepts, repeated })).toThrow('cannot become 4');
  });
});

describe('a recovery that was planned at a point (P7)', () => {
  const point = (generation: number, digit: string) => ({
    generation: asGeneration(generation),
    digest: digit.repeat(64),
  });
  const require = (planned: Parameters<typeof requirePlannedPoint>[1]['planned'], repeated = false) =>
    requirePlannedPoint(point(7, 'a'), { planned, to: asGeneration(7) }, { repeated });

  test('the database must be at it still, in number and in digest', () => {
    expect(() => require(point(7, 'a'))).not.toThrow();
    expect(() => require(undefined)).not.toThrow();
    expect(() => require(point(6, 'a'))).toThrow('planned at');
    expect(() => require(point(7, 'b'))).toThrow('planned at');
  });

  test('an earlier attempt of the same raise may have moved it', () => {
    expect(() => require(point(5, 'a'), true)).not.toThrow();
    expect(() =>
      requirePlannedPoint(point(7, 'a'), { planned: point(5, 'a'), to: asGeneration(8) }, { repeated: true }),
    ).toThrow('planned at');
  });
});

describe('what a Nexus may make of it for one sled (P13)', () => {
  const mend = (before: number, to: number, hadOneRecently = false) =>
    admitMend(asGeneration(before), asGeneration(to), { hadOneRecently });

  test('it rises by 1 to 1,000, and not for a sled that had its turn', () => {
    expect([5, 6, 1_005, 1_006, LAST].map(to => mend(5, to))).toEqual([false, true, true, false, false]);
    expect(mend(5, 6, true)).toBe(false);
    expect(MAX_MEND).toBe(1_000);
  });

  test('whatever a sled claims, it rises by no more than that and never falls (G8)', () => {
    const arbGeneration = fc.oneof(fc.nat(3_000), fc.nat(LAST));
    fc.assert(
      fc.property(arbGeneration, arbGeneration, fc.boolean(), (before, to, had) => {
        if (mend(before, to, had)) expect(to - before).toBeGreaterThan(0);
        expect(mend(before, to, had)).toBe(!had && to > before && to <= before + MAX_MEND);
      }),
    );
  });
});
