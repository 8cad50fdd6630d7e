import { expect, test } from 'vitest';
import { IncarnationId } from '../../../core/ids.ts';
import { sledReport } from '../../../core/sled-report.fixture.ts';
import type { SledReport } from '../../../core/sled-report.ts';
import { type Clock, isoTime } from '../../../lib/clock.ts';
import type { NewEvent } from '../../history/history.ts';
import type { SledRequest } from '../../history/sled-request.ts';
import { fakeSled, generation, hashOf } from '../../sleds/fleet.fixture.ts';
import { createReplicationEvents } from './replication-events.ts';

const [first, second] = [fakeSled(1).target.id, fakeSled(2).target.id];
const START_MS = 1_790_000_000_000;

const following = () => {
  let nowMs = START_MS;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs } as Clock;
  let noted: NewEvent[] = [];
  const note = (event: NewEvent) => void noted.push(event);
  const events = createReplicationEvents({ note, clock });
  const take = (): NewEvent[] => {
    const taken = noted;
    noted = [];
    return taken;
  };
  return {
    take,
    /** The same memory of nothing as a Nexus has that starts. */
    restarted: () => createReplicationEvents({ note, clock }),
    pass: (ms: number) => (nowMs += ms),
    request: (operation: SledRequest['operation'], differing: Partial<SledRequest> = {}) => {
      events.requested({
        startedMs: nowMs,
        sledId: first,
        operation,
        elapsedMs: 12,
        ...differing,
      });
      return take();
    },
    list: (differing: Partial<SledReport>, of = events) => {
      of.listed([{ id: first, report: sledReport({ datasets: 2, ...differing }) }]);
      return take();
    },
  };
};

const refusal = { failure: { code: 'PEER_UNREACHABLE', message: 'connection refused' } } as const;

test('each put and copy that a sled took is recorded, with what is needed to know which it was (RE1)', () => {
  const { request } = following();
  const copy = { sha256: hashOf(1), sourceSledId: second, generation: generation(3) };
  expect(request('copy', copy)).toEqual([
    {
      kind: 'copy',
      timeMs: START_MS,
      sledId: first,
      sha256: hashOf(1),
      sourceSledId: second,
      generation: 3,
      elapsedMs: 12,
    },
  ]);
  expect(request('copy', copy), 'again is what an operator wants to see').toHaveLength(1);
  expect(request('put', { sha256: hashOf(1) })).toHaveLength(1);
});

test('a quiet fleet records nothing; a config or a list that fails, and that works again, is recorded (RE1)', () => {
  const { request } = following();
  for (let round = 0; round < 20; round += 1) {
    expect([...request('put_config'), ...request('list')]).toEqual([]);
  }
  expect(request('list', refusal)).toMatchObject([{ kind: 'list', errorCode: 'PEER_UNREACHABLE' }]);
  expect(request('put_config')).toEqual([]);
  expect(request('list')).toMatchObject([{ kind: 'list', hadFailed: true }]);
  expect(request('list')).toEqual([]);
});

test('a failure that goes on is recorded ever more rarely, another failure at once, each artifact for itself (RE2)', () => {
  const { request } = following();
  const failing = { sha256: hashOf(1), ...refusal };
  const recorded = Array.from({ length: 1_000 }, () => request('put', failing)).flat();
  expect(recorded.slice(0, 3)).toMatchObject(
    [1, 2, 4].map(failures => ({ kind: 'put', error: 'connection refused', failures })),
  );
  expect(recorded).toHaveLength(10);
  expect(request('put', { ...failing, failure: { code: 'NO_SPACE', message: 'full' } })).toHaveLength(1);
  expect(request('put', { ...failing, sha256: hashOf(2) })).toHaveLength(1);
});

const timeMs = START_MS;
const deletion = { sha256: hashOf(1), generation: generation(2), reason: 'no release lists it', timeMs };
const failure = {
  sha256: hashOf(1),
  depotBaseUrl: 'http://depot-2',
  errorCode: 'COPY_SOURCE',
  message: 'cut off',
  timeMs,
};

test('what a sled lists is recorded once, and under one id by every Nexus and after every restart (S11, SE1, SE2)', () => {
  const { list, restarted } = following();
  const quarantined = [
    { sha256: hashOf(3), datasetId: '00000000-0000-4000-8000-00000000000d' as never, reason: 'rot', timeMs },
  ];
  const listed = { deletions: [deletion], copiesFailed: [failure], quarantined };
  const noted = list(listed);
  expect(noted).toMatchObject([
    { kind: 'deletion', sledId: first, sha256: hashOf(1), generation: 2, why: 'no release lists it' },
    { kind: 'copy_failed', errorCode: 'COPY_SOURCE', source: 'http://depot-2', error: 'cut off' },
    { kind: 'quarantine', sha256: hashOf(3) },
  ]);
  expect(list(listed)).toEqual([]);
  const again = list(listed, restarted());
  expect(again.map(({ id }) => id)).toEqual(noted.map(({ id }) => id));
  expect(new Set(noted.map(({ id }) => id)).size).toBe(3);
  const another = list({ ...listed, incarnationId: IncarnationId.parse(first) }, restarted());
  expect(another[0]!.id, 'another life of the sled').not.toBe(noted[0]!.id);
});

test('a Nexus that starts leaves out what is older than a day, one that follows the sled leaves out nothing (SE3)', () => {
  const { list, pass, restarted } = following();
  list({});
  pass(25 * 3_600_000);
  expect(list({ deletions: [deletion] }, restarted())).toEqual([]);
  expect(list({ deletions: [deletion] })).toMatchObject([
    { why: 'no release lists it', sledTime: isoTime(timeMs) },
  ]);
});

test('a copy is followed until it is held, with how long it took (B7, S12)', () => {
  const { request, list, pass } = following();
  request('copy', { sha256: hashOf(1), sourceSledId: second });
  pass(3_000);
  const copiesInFlight = [
    { sha256: hashOf(1), depotBaseUrl: 'http://depot', receivedBytes: 1, timeStartedMs: timeMs },
  ];
  expect(list({ copiesInFlight })).toEqual([]);
  pass(4_000);
  expect(list({ copies: new Map([[hashOf(1), 2]]) })).toEqual([
    {
      kind: 'copy_done',
      sledId: first,
      sha256: hashOf(1),
      sourceSledId: second,
      generation: 2,
      elapsedMs: 7_012,
      ...{ datasetsHolding: 2, datasets: 2 },
    },
  ]);
  expect(list({ copies: new Map([[hashOf(1), 2]]) }), 'what was not asked for is no copy of ours').toEqual(
    [],
  );
});

test('a copy that failed on the sled is recorded as the sled tells it, and is not looked for any more (B7)', () => {
  const { request, list } = following();
  list({});
  request('copy', { sha256: hashOf(1) });
  expect(list({ copiesFailed: [failure] })).toMatchObject([{ kind: 'copy_failed' }]);
  expect(list({ copiesFailed: [failure], copies: new Map([[hashOf(1), 2]]) })).toEqual([]);
});

test('a copy that is neither held nor under way twice is lost, as a list may be older than the request (S12)', () => {
  const { request, list } = following();
  request('copy', { sha256: hashOf(1) });
  expect(list({})).toEqual([]);
  expect(list({})).toMatchObject([{ kind: 'copy_lost', sha256: hashOf(1) }]);
  expect(list({})).toEqual([]);
});
