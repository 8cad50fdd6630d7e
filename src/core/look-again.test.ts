import { expect, test } from 'vitest';
import { LOOK_AGAIN_AT_ONCE_MS, lookAgain, type RoundOutcome } from './look-again.ts';

const quiet: RoundOutcome = {
  nowMs: 1_000_000,
  progress: false,
  deferred: 0,
  underWay: false,
  outdated: false,
  nextAttemptMs: undefined,
};

test('with nothing in flight, deferred or backed off, only the period counts (P6)', () => {
  expect(lookAgain(quiet, 8_000)).toEqual({ againInMs: undefined, waitMs: 0 });
});

test('while copies are in flight the wait is 1 s and doubles to 15 s; progress makes it 1 s again (P6)', () => {
  const waits: (number | undefined)[] = [];
  let waitMs = 0;
  for (let round = 0; round < 6; round += 1) {
    const next = lookAgain({ ...quiet, underWay: true }, waitMs);
    waits.push(next.againInMs);
    waitMs = next.waitMs;
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  expect(lookAgain({ ...quiet, underWay: true, progress: true }, waitMs).againInMs).toBe(1_000);
});

test('deferred requests follow at once while there is progress, and wait without it (S6)', () => {
  expect(lookAgain({ ...quiet, deferred: 3, progress: true }, 0).againInMs).toBe(LOOK_AGAIN_AT_ONCE_MS);
  expect(lookAgain({ ...quiet, deferred: 3 }, 2_000).againInMs).toBe(4_000);
});

test('the next round waits for the end of a back-off, and a stale view is renewed at once (P6)', () => {
  expect(lookAgain({ ...quiet, nextAttemptMs: 1_042_000 }, 0).againInMs).toBe(42_000);
  expect(lookAgain({ ...quiet, outdated: true }, 0).againInMs).toBe(LOOK_AGAIN_AT_ONCE_MS);
});
