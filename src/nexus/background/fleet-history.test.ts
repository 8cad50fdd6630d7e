import { expect, test } from 'vitest';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { fleetHistory, followHistory, GATHER_MS } from './fleet-history.ts';

const DAY_MS = 86_400_000;
const NOW_MS = 100 * DAY_MS;

/** A table of events that are nothing but times, and a Nexus whose own clock is wrong. */
const keeping = (options: { times: number[]; maxEvents?: number }) => {
  let times = options.times.toSorted((a, b) => a - b);
  let monotonicMs = 0;
  const database = { isAway: false, trims: [] as number[], looks: 0 };
  const history = { recorded: 0, flushes: 0 };
  const task = fleetHistory({
    clock: { nowMs: () => 0, monotonicMs: () => monotonicMs } as Clock,
    config: { retentionMs: 30 * DAY_MS, maxEvents: options.maxEvents ?? 1_000_000 },
    history: {
      async flush() {
        history.flushes += 1;
        if (database.isAway) throw new DepotError('DATABASE_UNAVAILABLE', 'away');
        return 0;
      },
      queued: () => 0,
      totals: () => ({ recorded: history.recorded, lost: 0 }),
    },
    datastore: {
      async fleetEventBounds(keepCount) {
        database.looks += 1;
        return { databaseMs: NOW_MS, beyondMs: times.at(-1 - keepCount) ?? null };
      },
      async fleetEventTrim({ untilMs, limit }) {
        const removed = times.filter(time => time <= untilMs).slice(0, limit).length;
        times = times.slice(removed);
        database.trims.push(removed);
        return removed;
      },
    },
  });
  const activate = () =>
    task.activate({ reason: 'timeout', log: silentLogger, signal: new AbortController().signal });
  return { activate, database, history, times: () => times, pass: (ms: number) => (monotonicMs += ms) };
};

test('events beyond the retention, by the clock of the database, are removed', async () => {
  const kept = keeping({ times: [1, 29, 31, 40].map(daysAgo => NOW_MS - daysAgo * DAY_MS) });
  const { summary } = await kept.activate();
  expect(kept.times()).toEqual([29, 1].map(daysAgo => NOW_MS - daysAgo * DAY_MS));
  expect(summary).toMatchObject({ removed_total: 2 });
});

test('more events than the bound are removed, the oldest first, in batches of a bounded size and number', async () => {
  const count = 25_000;
  const kept = keeping({ times: Array.from({ length: count }, (_, n) => NOW_MS - n), maxEvents: 100 });
  expect((await kept.activate()).againInMs).toBe(GATHER_MS);
  expect(kept.database.trims).toEqual(Array(20).fill(1_000));
  expect((await kept.activate()).againInMs).toBeUndefined();
  expect(kept.times()).toEqual(Array.from({ length: 100 }, (_, n) => NOW_MS - 99 + n));
});

test('a flush does not look at the whole table; an hour does, and so do ten thousand events (FH2)', async () => {
  const kept = keeping({ times: [] });
  await kept.activate();
  for (let n = 0; n < 50; n += 1) {
    kept.history.recorded += 100;
    await kept.activate();
  }
  expect(kept.database.looks).toBe(1);
  kept.history.recorded += 5_000;
  await kept.activate();
  expect(kept.database.looks).toBe(2);
  kept.pass(3_600_000);
  await kept.activate();
  expect(kept.database.looks).toBe(3);
  expect(kept.history.flushes).toBe(53);
});

test('a database that is away is an error in the status, and is retried soon (FH1)', async () => {
  const kept = keeping({ times: [] });
  kept.database.isAway = true;
  expect(await kept.activate()).toMatchObject({ summary: { error: 'away' }, againInMs: 5_000 });
  kept.database.isAway = false;
  expect((await kept.activate()).summary).not.toHaveProperty('error');
});

test('an event activates the task once, a moment later, and none does after the end', async () => {
  const sleeps: { ms: number; wake: () => void }[] = [];
  const clock = {
    sleep: (ms: number) => new Promise<void>(wake => sleeps.push({ ms, wake })),
  } as unknown as Clock;
  let pending = (): void => undefined;
  let activations = 0;
  const following = followHistory({
    history: { onPending: wake => (pending = wake) },
    activate: () => (activations += 1),
    clock,
  });
  pending();
  pending();
  expect(sleeps.map(({ ms }) => ms)).toEqual([GATHER_MS]);
  sleeps[0]!.wake();
  await new Promise(resolve => setImmediate(resolve));
  expect(activations).toBe(1);
  pending();
  expect(sleeps).toHaveLength(2);
  following[Symbol.dispose]();
  pending();
  expect(sleeps).toHaveLength(2);
});
