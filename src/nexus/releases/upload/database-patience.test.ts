import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededRng } from '../../../core/rng.ts';
import { createTestClock } from '../../../lib/clock.fixture.ts';
import { DepotError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createDatabaseWatch } from '../../datastore/database-watch.ts';
import { createPatience, type DatabaseWait } from './database-patience.ts';

const wait = { signal: new AbortController().signal };

/** What is under way goes on until it waits for the clock. */
const settle = () => delay(0);

const setUp = (waitMs: number) => {
  const clock = createTestClock();
  const watch = createDatabaseWatch(clock);
  const waits: (DatabaseWait | undefined)[] = [];
  const patience = createPatience({ clock, watch, rng: seededRng(1), log: silentLogger }, { waitMs }, told =>
    waits.push(told),
  );
  /** Attempts that fail with these codes, one after the other, and then go well. */
  const attempts = (
    ...codes: readonly ('DATABASE_UNAVAILABLE' | 'COMMIT_UNCERTAIN' | 'RELEASE_CONFLICT')[]
  ) => {
    const timesMs: number[] = [];
    const outcome = patience.run(async () => {
      timesMs.push(clock.monotonicMs());
      const code = codes[timesMs.length - 1];
      if (code !== undefined) throw new DepotError(code, 'as the test says');
      return 'done';
    }, wait);
    outcome.catch(() => undefined);
    return { outcome, timesMs };
  };
  return { clock, watch, waits, patience, attempts };
};

test('an attempt is repeated while the database is away, with back-off, and each wait is reported (DP1)', async () => {
  const { clock, waits, attempts, patience } = setUp(600_000);
  const { outcome, timesMs } = attempts(
    'DATABASE_UNAVAILABLE',
    'DATABASE_UNAVAILABLE',
    'DATABASE_UNAVAILABLE',
  );
  await settle();
  await clock.advance(600_000);
  expect(await outcome).toBe('done');
  const gaps = timesMs.slice(1).map((timeMs, index) => timeMs - timesMs[index]!);
  expect(gaps).toHaveLength(3);
  expect(gaps[0]).toBeLessThanOrEqual(500);
  expect(gaps[2]).toBeGreaterThan(gaps[0]!);
  expect(waits.map(told => told?.message)).toEqual([...Array(3).fill('as the test says'), undefined]);
  expect(patience.waitedMs()).toBe(timesMs.at(-1));
});

test('a call with a verdict of the database is not repeated (DP1)', async () => {
  const { clock, attempts } = setUp(600_000);
  const { outcome, timesMs } = attempts('DATABASE_UNAVAILABLE', 'RELEASE_CONFLICT');
  await settle();
  await clock.advance(600_000);
  await expect(outcome).rejects.toMatchObject({ code: 'RELEASE_CONFLICT' });
  expect(timesMs).toHaveLength(2);
});

test('an answer to any other call ends a wait, but not in a loop', async () => {
  const { clock, watch, attempts } = setUp(600_000);
  const { timesMs } = attempts(...Array(50).fill('DATABASE_UNAVAILABLE'));
  await settle();
  await clock.advance(60_000);
  const before = timesMs.length;
  watch.answered();
  await settle();
  expect(timesMs).toHaveLength(before + 1);
  watch.answered();
  await settle();
  expect(timesMs).toHaveLength(before + 1);
});

test('all the waits of an upload together are bounded (DP2)', async () => {
  const { clock, attempts, patience } = setUp(20_000);
  const { outcome } = attempts(...Array(100).fill('DATABASE_UNAVAILABLE'));
  await settle();
  await clock.advance(600_000);
  await expect(outcome).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  expect(patience.isUncertain()).toBe(false);
});

test('an uncertain commit has no bound, and a verdict ends it (DP3)', async () => {
  const { clock, attempts, patience, waits } = setUp(1_000);
  const { outcome, timesMs } = attempts(
    'COMMIT_UNCERTAIN',
    ...Array(50).fill('DATABASE_UNAVAILABLE'),
    'RELEASE_CONFLICT',
  );
  await settle();
  await clock.advance(300_000);
  expect(patience.isUncertain()).toBe(true);
  expect(waits.at(-1)).not.toHaveProperty('untilMs', expect.any(Number));
  await clock.advance(3_600_000);
  await expect(outcome).rejects.toMatchObject({ code: 'RELEASE_CONFLICT' });
  expect(timesMs).toHaveLength(52);
  expect(patience.isUncertain()).toBe(false);
});
