import { expect, test } from 'vitest';
import { growthOf, type Usage, usageOf } from './measure.ts';

const MIB = 1024 ** 2;
const samples = (length: number, at: (share: number) => Partial<Usage>): Usage[] =>
  Array.from({ length }, (_, n) => ({ residentBytes: 100 * MIB, handles: 30, ...at(n / (length - 1)) }));

test('a start that grows and then stays is flat: the warm-up does not count', () => {
  const warming = samples(60, share => ({ residentBytes: (share < 0.2 ? 50 + 500 * share : 150) * MIB }));
  expect(growthOf(warming)?.isFlat).toBe(true);
});

test('memory that grows all the time is not flat', () => {
  expect(growthOf(samples(60, share => ({ residentBytes: (100 + 200 * share) * MIB })))?.isFlat).toBe(false);
});

test('handles that grow all the time are not flat, and single peaks are no growth', () => {
  expect(growthOf(samples(60, share => ({ handles: 30 + 100 * share })))?.isFlat).toBe(false);
  expect(growthOf(samples(60, share => (share === 0.5 || share === 1 ? { handles: 500 } : {})))?.isFlat).toBe(
    true,
  );
});

test('too few samples give no verdict', () => {
  expect(growthOf(samples(5, () => ({})))).toBeUndefined();
});

test('a process is measured while it is there', async () => {
  const usage = (await usageOf(process.pid))!;
  expect(usage.residentBytes).toBeGreaterThan(10 * MIB);
  expect(usage.handles).toBeGreaterThan(3);
  expect(await usageOf(2 ** 30)).toBeUndefined();
});
