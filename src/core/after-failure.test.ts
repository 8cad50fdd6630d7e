import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AFTER_FAILURE_FIRST_MS, AFTER_FAILURE_MAX_MS, afterFailure } from './after-failure.ts';

test('the first wait after a failure is at most a second, and each further one is about twice as long (AF1)', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 8].map(failures => afterFailure(failures, 3_600_000, 0.999_999));
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  expect(afterFailure(1, 3_600_000, 0)).toBe(500);
});

test('no wait after a failure is longer than the period of the task, or than a minute (AF2, AF3)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 10_000_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (failures, periodMs, random) => {
        const waitMs = afterFailure(failures, periodMs, random);
        expect(waitMs).toBeGreaterThan(0);
        expect(waitMs).toBeLessThanOrEqual(Math.min(periodMs, AFTER_FAILURE_MAX_MS));
        const leastMs = Math.min(periodMs, AFTER_FAILURE_FIRST_MS) / 2;
        expect(waitMs).toBeGreaterThanOrEqual(Math.floor(leastMs));
      },
    ),
  );
});
