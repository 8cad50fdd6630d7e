import { expect, test } from 'vitest';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import { createDatabaseWatch, LONG_OUTAGE_MS } from './database-watch.ts';
import type { Datastore } from './datastore.ts';

const wait = { signal: new AbortController().signal };

/** A datastore of one verb that does what the test says. */
const setUp = () => {
  const clock = createTestClock();
  const watch = createDatabaseWatch(clock);
  let answer = async (): Promise<unknown> => [];
  const datastore = watch.watched({ nexusList: () => answer() } as unknown as Datastore);
  const call = (fate: () => Promise<unknown>) => {
    answer = fate;
    return datastore.nexusList(wait).catch((error: unknown) => error);
  };
  return { clock, watch, call };
};

const away = async () => {
  throw new DepotError('DATABASE_UNAVAILABLE', 'nexus_list: the database does not answer');
};

test('an outage begins with the first unanswered call, and ends with the first answer (DW2)', async () => {
  const { clock, watch, call } = setUp();
  expect(await call(async () => ['a'])).toEqual(['a']);
  expect(watch.outage()).toBeUndefined();
  const sinceMs = clock.nowMs();
  expect(await call(away)).toBeInstanceOf(DepotError);
  await clock.advance(5_000);
  await call(away);
  expect(watch.outage()).toEqual({ sinceMs, message: 'nexus_list: the database does not answer' });
  await call(async () => []);
  expect(watch.outage()).toBeUndefined();
});

test('a verdict of the database is no outage (DW2)', async () => {
  const { watch, call } = setUp();
  await call(async () => {
    throw new DepotError('RELEASE_CONFLICT', 'release 1.0.0 has another archive');
  });
  expect(watch.outage()).toBeUndefined();
});

test('a caller that waits for the database is woken by its next answer, or by the end of its wait', async () => {
  const { clock, watch, call } = setUp();
  await call(away);
  const woken: string[] = [];
  void watch.waitForAnswer(60_000, wait).then(() => woken.push('long'));
  void watch.waitForAnswer(1_000, wait).then(() => woken.push('short'));
  await clock.advance(1_000);
  expect(woken).toEqual(['short']);
  await call(async () => []);
  await clock.advance(0);
  expect(woken).toEqual(['short', 'long']);
  expect(clock.sleeping()).toBe(0);
});

test('a wait for the database ends with its signal', async () => {
  const { watch } = setUp();
  const stop = new AbortController();
  const waiting = watch.waitForAnswer(60_000, { signal: stop.signal });
  stop.abort(new DepotError('SHUTTING_DOWN', 'stopping'));
  await expect(waiting).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
});

test('the end of a long outage is reported once, that of a short one is not', async () => {
  const { clock, watch, call } = setUp();
  let returns = 0;
  watch.onReturn(() => {
    returns += 1;
  });
  await call(away);
  await call(async () => []);
  expect(returns).toBe(0);
  await call(away);
  await clock.advance(LONG_OUTAGE_MS);
  await call(away);
  await call(async () => []);
  await call(async () => []);
  expect(returns).toBe(1);
});
