import fc from 'fast-check';
import { expect, test } from 'vitest';
import { completionOf, type Pace, paceAfter } from './pace.ts';

const MIB = 2 ** 20;

/** What rounds at these times found, each with what it held. */
const paceOf = (wanted: number, ...seen: (readonly [monotonicMs: number, bytesHeld: number])[]): Pace =>
  seen.reduce<Pace>(
    (pace, [monotonicMs, bytesHeld]) => paceAfter(pace, { monotonicMs, bytesHeld }, wanted),
    [],
  );

test('at a steady rate the time left is what is missing over that rate, however often a round looked', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 2, maxLength: 500 }),
      fc.integer({ min: 1, max: 10_000 }),
      (pauses, bytesPerMs) => {
        let atMs = 0;
        const seen = pauses.map(pause => {
          atMs += pause;
          return [atMs, atMs * bytesPerMs] as const;
        });
        const wanted = 2 * atMs * bytesPerMs;
        const completion = completionOf(paceOf(wanted, ...seen), wanted);
        expect(completion?.bytesPerS).toBeCloseTo(bytesPerMs * 1_000, -2);
        expect(completion?.remainingMs).toBeCloseTo(atMs, -1);
      },
    ),
  );
});

test('the newest half of the time counts: a slow beginning is forgotten (PCE2)', () => {
  const seen = [
    [0, 0],
    [40_000, 4 * MIB],
    [60_000, 44 * MIB],
    [80_000, 84 * MIB],
  ] as const;
  expect(completionOf(paceOf(164 * MIB, ...seen), 164 * MIB)).toEqual({
    bytesPerS: 2 * MIB,
    remainingMs: 40_000,
  });
});

test('nothing is said before bytes arrive, while none do, and once all are there (PCE3)', () => {
  const completionAt = (...seen: (readonly [number, number])[]) => completionOf(paceOf(10, ...seen), 10);
  expect(completionAt()).toBeUndefined();
  expect(completionAt([0, 3])).toBeUndefined();
  expect(completionAt([0, 3], [1_000, 3])).toBeUndefined();
  expect(completionAt([0, 3], [10_000, 6], [40_000, 6]), 'nothing in its newest half').toBeUndefined();
  expect(completionAt([0, 3], [1_000, 10])).toBeUndefined();
});

test('what was lost, and a release that was whole, begin anew', () => {
  const wanted = 100;
  expect(paceOf(wanted, [0, 0], [1_000, 50], [2_000, 20])).toEqual([{ monotonicMs: 2_000, bytesHeld: 20 }]);
  const joined = paceAfter(paceOf(wanted, [0, 0], [1_000, 100]), { monotonicMs: 9_000, bytesHeld: 120 }, 200);
  expect(completionOf(joined, 200)).toEqual({ bytesPerS: 2.5, remainingMs: 32_000 });
});

test('however long it takes, some rounds are kept (PCE4)', () => {
  const many = Array.from({ length: 10_000 }, (_, n) => [n * 60_000, n] as const);
  expect(paceOf(1e9, ...many).length).toBeLessThanOrEqual(64);
});
