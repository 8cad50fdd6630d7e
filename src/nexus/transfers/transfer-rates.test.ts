import { expect, test } from 'vitest';
import { createTransferRates } from './transfer-rates.ts';

const MIB = 1024 * 1024;

test('the rate of most transfers is that of the last ones that were long enough to tell, whatever a few take (QU3)', () => {
  const rates = createTransferRates();
  expect(rates.median()).toBeUndefined();
  rates.add(1024, 1_000);
  expect(rates.median(), 'the time of a small one is that of its requests').toBeUndefined();
  for (const elapsedMs of [1_000, 1_000, 90_000]) rates.add(MIB, elapsedMs);
  expect(rates.median()).toBeCloseTo(MIB / 1_000);
  for (let n = 0; n < 32; n += 1) rates.add(MIB, 100);
  expect(rates.median(), 'the link is faster now').toBeCloseTo(MIB / 100);
});
