/** A hostile sled, or many ids, and the place that they leave in the history (EVL1). */
import { expect, test } from 'vitest';
import { SledId } from '../../../core/ids.ts';
import { sledReport } from '../../../core/sled-report.fixture.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { NewEvent } from '../../history/history.ts';
import type { SledRequest } from '../../history/sled-request.ts';
import { fakeSled, generation, hashOf } from '../../sleds/fleet.fixture.ts';
import type { Observation } from '../observation.ts';
import { createReplicationEvents } from './replication-events.ts';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
/** Of a Nexus that sets no other. */
const HISTORY_EVENTS = 200_000;
const [hostile, honest] = [fakeSled(1).target.id, fakeSled(2).target.id];
const idOf = (n: number): SledId => SledId.parse(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);

const following = () => {
  let nowMs = 1_790_000_000_000;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs } as Clock;
  const noted = new Map<SledId | undefined, number>();
  const kinds = new Set<string>();
  const note = ({ sledId, kind }: { readonly sledId?: SledId | undefined; readonly kind: string }): void => {
    noted.set(sledId, (noted.get(sledId) ?? 0) + 1);
    kinds.add(kind);
  };
  const events = createReplicationEvents({ note: note as (event: NewEvent) => void, clock });
  return {
    events,
    pass: (ms: number) => (nowMs += ms),
    nowMs: () => nowMs,
    kinds: () => [...kinds],
    of: (id: SledId) => noted.get(id) ?? 0,
    total: () => [...noted.values()].reduce((sum, count) => sum + count, 0),
  };
};

const deletion = (n: number, timeMs: number) => ({
  sha256: hashOf(n),
  generation: generation(3),
  reason: `the test deletes number ${n}`,
  timeMs,
});
const deletions = (from: number, count: number, timeMs: number) =>
  sledReport({ deletions: Array.from({ length: count }, (_, at) => deletion(from + at, timeMs)) });

const faulty = (sledIds: readonly SledId[], path: string, timeMs: number) =>
  ({
    timeMs,
    generation: generation(1),
    wanted: { releases: [] },
    sleds: [...sledIds, honest].map(id => ({ id })),
    releases: [],
    reasons: [...sledIds, honest].map(sledId => ({
      code: 'DATASET_FAULT',
      sledId,
      serial: 's',
      path: sledId === honest ? '/m2' : path,
      state: 'failed',
    })),
  }) as unknown as Observation;

test('a sled that reports new deletions in every list leaves most of the history to the others (EVL1)', () => {
  const { events, pass, nowMs, of } = following();
  for (let minute = 0; minute < DAY_MINUTES; minute += 1) {
    events.listed([
      { id: hostile, report: deletions(minute * 256, 256, nowMs()) },
      { id: honest, report: deletions(minute, 1, nowMs()) },
    ]);
    pass(MINUTE_MS);
  }
  expect(of(hostile)).toBeLessThan(HISTORY_EVENTS / 10);
  expect(of(honest)).toBe(DAY_MINUTES);
});

test('deletions beyond the allowance are recorded later, while the sled lists them (SE4)', () => {
  const { events, pass, nowMs, of } = following();
  for (let from = 0; from < 1_024; from += 256)
    events.listed([{ id: hostile, report: deletions(from, 256, nowMs()) }]);
  const last = deletions(1_024, 6, nowMs());
  events.listed([{ id: hostile, report: last }]);
  expect(of(hostile)).toBe(1_024);
  pass(MINUTE_MS);
  for (let list = 0; list < 3; list += 1) events.listed([{ id: hostile, report: last }]);
  expect(of(hostile), 'each once').toBe(1_030);
});

test('a copy that fails beyond the allowance is not called lost, and one of the same artifact after it is followed (SE4)', () => {
  const { events, pass, nowMs, kinds } = following();
  const copy = () =>
    events.requested({
      ...{ startedMs: nowMs(), sledId: hostile, operation: 'copy', elapsedMs: 1, sha256: hashOf(1) },
    });
  const list = (...[report]: Parameters<typeof sledReport>) =>
    events.listed([{ id: hostile, report: sledReport(report) }]);
  list();
  for (let from = 0; from < 1_024; from += 256)
    list({ deletions: deletions(from + 2, 256, nowMs()).deletions });
  copy();
  const copiesFailed = [
    {
      ...{ sha256: hashOf(1), generation: generation(3), depotBaseUrl: 'http://depot-2' },
      ...{ errorCode: 'COPY_SOURCE' as const, message: 'cut off', timeMs: nowMs() },
    },
  ];
  for (let round = 0; round < 3; round += 1) list({ copiesFailed });
  expect(kinds()).not.toContain('copy_lost');
  copy();
  for (let round = 0; round < 2; round += 1) list({ copiesFailed, copies: new Map([[hashOf(1), 1]]) });
  expect(kinds()).toContain('copy_done');
  expect(kinds()).not.toContain('copy_failed');
  pass(MINUTE_MS);
  list({ copiesFailed });
  expect(kinds()).toContain('copy_failed');
});

test('a sled whose list names other datasets each time has its state recorded once a minute (EVL1)', () => {
  const { events, pass, nowMs, of } = following();
  for (let round = 0; round < 1_000; round += 1) {
    events.observed(faulty([hostile], `/m2-${round}`, nowMs()));
    pass(1_000);
  }
  expect(of(honest)).toBe(1);
  // Each with its end.
  expect(of(hostile)).toBeLessThanOrEqual(2 * (16 + Math.ceil(1_000 / 60)));
});

test('any number of ids whose states change leaves most of the history to the others (EVL1)', () => {
  const { events, pass, nowMs, of, total } = following();
  for (let minute = 0; minute < 100; minute += 1) {
    const ids = Array.from({ length: 200 }, (_, at) => idOf(minute * 200 + at));
    events.observed(faulty(ids, `/m2-${minute}`, nowMs()));
    pass(MINUTE_MS);
  }
  expect(total()).toBeLessThan(HISTORY_EVENTS / 20);
  expect(of(honest)).toBe(1);
});

test('requests of a sled that fail in another way each time are within the allowance, and those it took are not (EVL1)', () => {
  const { events, nowMs, of } = following();
  const request = (failure?: SledRequest['failure'], sha256 = hashOf(1)) =>
    events.requested({
      ...{ startedMs: nowMs(), sledId: hostile, operation: 'put', elapsedMs: 1, sha256 },
      ...(failure !== undefined && { failure }),
    });
  for (let n = 0; n < 5_000; n += 1) request({ code: n % 2 === 0 ? 'IO' : 'NO_SPACE', message: 'no' });
  expect(of(hostile)).toBe(1_024);
  for (let n = 0; n < 5_000; n += 1) request(undefined, hashOf(n));
  expect(of(hostile)).toBe(6_024);
});
