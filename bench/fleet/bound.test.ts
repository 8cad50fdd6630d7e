import { expect, test } from 'vitest';
import { fluidBoundSeconds, pieceBoundSeconds } from './bound.ts';
import { fallingSizes } from './release.ts';

const MIB = 1024 ** 2;

test('links of one rate need the time of one release, however many sleds there are', () => {
  for (const sleds of [1, 8, 1_000])
    expect(fluidBoundSeconds({ sleds, bytesPerSecond: 10 * MIB }, 235 * MIB)).toBeCloseTo(23.5);
});

test('pieces add the doublings of the last one that leaves the origin', () => {
  const seconds = (sleds: number) => pieceBoundSeconds({ sleds, bytesPerSecond: 4 * MIB }, 40 * MIB, 4 * MIB);
  expect([1, 2, 3, 4, 7, 8].map(seconds)).toEqual([10, 11, 11, 12, 12, 13]);
});

test('the artifacts of the release fall in size from 64 MiB of 235 on, and their sum is the release', () => {
  const sizes = fallingSizes(235 * MIB, 32);
  expect(sizes).toHaveLength(32);
  expect(Math.abs(sizes[0]! - 64 * MIB)).toBeLessThan(100);
  expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(235 * MIB);
});

test('a few artifacts are of one size, and no artifact is empty', () => {
  expect(fallingSizes(3 * MIB, 3)).toEqual([MIB, MIB, MIB]);
  expect(Math.min(...fallingSizes(MIB, 500))).toBeGreaterThan(0);
});
