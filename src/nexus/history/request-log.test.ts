import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asGeneration, SledId } from '../../core/ids.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { createRequestLog } from './request-log.ts';
import { requestRecord } from './sled-request.ts';

const sledId = SledId.parse('00000001-0000-4000-8000-000000000001');
const request = (n: number, error?: unknown) =>
  ({ operation: 'put', sledId, generation: asGeneration(n), startedMs: n, error }) as const;

test('the ring holds the last requests in order, never more than its capacity, whatever one activation logs (B12)', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.nat({ max: 100 }), (capacity, requests) => {
      const log = createRequestLog({ clock: systemClock, log: silentLogger, capacity });
      for (let n = 0; n < requests; n += 1) log.record(request(n));
      const kept = Math.min(capacity, requests);
      expect(log.recent().map(r => r.generation)).toEqual(
        Array.from({ length: kept }, (_, i) => requests - kept + i),
      );
      expect(log.lifetime().put_ok).toBe(requests);
    }),
  );
});

test('counters of a run begin anew when taken, those of the process go on (S10)', () => {
  const log = createRequestLog({ clock: systemClock, log: silentLogger });
  log.record(request(1));
  log.record(request(2, new DepotError('IO', 'disk')));
  expect(log.takeRun()).toMatchObject({ put_ok: 1, put_err: 1 });
  log.count('copy_done', 3);
  expect(log.takeRun()).toMatchObject({ put_ok: 0, put_err: 0, copy_done: 3 });
  expect(log.lifetime()).toMatchObject({ put_ok: 1, put_err: 1, copy_done: 3 });
});

test('a busy sled is counted apart and is no error (B14)', () => {
  const log = createRequestLog({ clock: systemClock, log: silentLogger });
  log.record(request(1, new DepotError('SLED_BUSY', '4 transfers are running')));
  expect(log.takeRun()).toMatchObject({ put_ok: 0, put_err: 0, put_busy: 1 });
});

test('a request has its times in milliseconds, and ISO text on the wire alone', () => {
  const log = createRequestLog({ clock: { ...systemClock, nowMs: () => 1_040 }, log: silentLogger });
  log.record({ ...request(1), startedMs: 1_000 });
  log.record({ ...request(2, new DepotError('IO', 'disk')), startedMs: 2_000 });
  expect(log.recent()).toMatchObject([
    { startedMs: 1_000, elapsedMs: 40, sledId },
    { elapsedMs: 0, failure: { code: 'IO', message: 'disk' } },
  ]);
  expect(log.recent().map(requestRecord)).toStrictEqual([
    {
      time: '1970-01-01T00:00:01.000Z',
      target_sled: sledId,
      operation: 'put',
      generation: 1,
      elapsed_ms: 40,
    },
    {
      time: '1970-01-01T00:00:02.000Z',
      target_sled: sledId,
      operation: 'put',
      generation: 2,
      elapsed_ms: 0,
      error: 'disk',
      error_code: 'IO',
    },
  ]);
});
