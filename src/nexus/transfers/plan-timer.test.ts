import { expect, test } from 'vitest';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { createPlanTimer } from './plan-timer.ts';

/** Each plan takes as long as the next of `takes`; the times at which they began. */
const planning = (takes: readonly number[] = []) => {
  const clock = createTestClock();
  const stop = new AbortController();
  const plans: number[] = [];
  let spentMs = 0;
  const monotonicMs = () => clock.monotonicMs() + spentMs;
  const timer = createPlanTimer({ clock: { ...clock, monotonicMs }, signal: stop.signal }, () => {
    plans.push(clock.monotonicMs());
    spentMs += takes[plans.length - 1] ?? 0;
  });
  return { clock, timer, stop, plans };
};

test('events have one plan together, and one comes before the time that was waited for', async () => {
  const { clock, timer, plans } = planning();
  timer.within(1_000);
  expect(timer.isDue(), 'no event waits').toBe(false);
  await clock.advance(400);
  timer.soon();
  timer.soon();
  expect(timer.isDue()).toBe(true);
  await clock.advance(0);
  expect([plans, timer.isDue()]).toEqual([[400], false]);
  await clock.advance(5_000);
  expect(plans, 'its plan was the one that time was waited for').toEqual([400]);
});

test('after a plan that took long none follows for four times that time, at most two seconds (PTM1)', async () => {
  const { clock, timer, plans } = planning([100, 10_000]);
  timer.soon();
  await clock.advance(0);
  timer.within(10);
  timer.soon();
  await clock.advance(399);
  expect([plans, timer.isDue()]).toEqual([[0], true]);
  await clock.advance(1);
  expect(plans).toEqual([0, 400]);
  timer.soon();
  await clock.advance(2_000);
  expect(plans).toEqual([0, 400, 2_400]);
});

test('a stop ends it', async () => {
  const { clock, timer, stop, plans } = planning();
  timer.soon();
  stop.abort();
  timer.soon();
  await clock.advance(10_000);
  expect([plans, clock.sleeping()]).toEqual([[], 0]);
});
