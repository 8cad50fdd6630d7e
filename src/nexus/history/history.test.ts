import { expect, test } from 'vitest';
import { asGeneration, EventId, NexusId, SledId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { FleetEvent } from '../datastore/ports/history-port.ts';
import { HISTORY_BATCH_EVENTS } from './event-writer.ts';
import { createHistory } from './history.ts';

const wait = { signal: new AbortController().signal };
const SLED = SledId.parse('00000000-0000-4000-8000-000000000001');
const nexusId = NexusId.parse('00000000-0000-4000-8000-0000000000aa');

/** A clock that stands still until `ring`, when every timeout is over. */
const standingClock = () => {
  const over = new AbortController();
  const clock = { nowMs: () => 1_000, timeout: () => over.signal } as unknown as Clock;
  return { clock, ring: () => over.abort(new DOMException('the time is up', 'TimeoutError')) };
};

const eventOf = (n: number) => ({ kind: 'nexus_started', operatorAddress: String(n) }) as const;

const writing = (capacity?: number) => {
  const { clock, ring } = standingClock();
  const rows = new Map<string, FleetEvent>();
  const database = {
    /** Undefined while it takes what it is given. */
    fault: undefined as undefined | ((signal: AbortSignal) => Promise<void>),
    batches: [] as number[],
  };
  const ids = Array.from(
    { length: 2_000 },
    (_, n) => `00000000-0000-4000-8000-${String(n + 1).padStart(12, '0')}`,
  );
  const unused = ids.values();
  const history = createHistory({
    datastore: {
      async fleetEventInsert(events, { signal }) {
        await database.fault?.(signal);
        database.batches.push(events.length);
        for (const event of events) if (!rows.has(event.id)) rows.set(event.id, event);
      },
    },
    nexusId,
    clock,
    newId: () => unused.next().value!,
    log: silentLogger,
    ...(capacity !== undefined && { capacity }),
  });
  const note = (n: number) => history.note(eventOf(n));
  /** As operators are shown them; the n-th event is `n`. */
  const shown = () => [...rows.values()].map(({ details }) => details!.operator_address ?? details);
  return { history, database, note, shown, rows, ring };
};

const away = async () => {
  throw new DepotError('DATABASE_UNAVAILABLE', 'away');
};

test('what is noted is written in order, in batches, with the id, time and Nexus of its noting', async () => {
  const { history, database, note, rows, shown } = writing();
  for (let n = 1; n <= HISTORY_BATCH_EVENTS + 1; n += 1) note(n);
  expect(history.queued()).toBe(HISTORY_BATCH_EVENTS + 1);
  expect(await history.flush(wait)).toBe(HISTORY_BATCH_EVENTS + 1);
  expect(database.batches).toEqual([HISTORY_BATCH_EVENTS, 1]);
  expect(shown().slice(0, 2)).toEqual(['1', '2']);
  expect([...rows.values()][0]).toStrictEqual({
    id: '00000000-0000-4000-8000-000000000001',
    nexusId,
    timeMs: 1_000,
    kind: 'nexus_started',
    details: { operator_address: '1' },
  });
  expect(history.queued()).toBe(0);
});

test('events of one millisecond keep their order, and no time is made up for more than a second of them', async () => {
  const { history, note, rows } = writing();
  for (let n = 0; n < 1_500; n += 1) note(n);
  history.note({ ...eventOf(0), timeMs: 7 });
  await history.flush(wait);
  const times = [...rows.values()].map(({ timeMs }) => timeMs);
  expect(times.slice(0, 3)).toEqual([1_000, 1_001, 1_002]);
  expect(Math.max(...times)).toBeLessThanOrEqual(2_000);
  expect(times.at(-1), 'what has a time of its own keeps it').toBe(7);
});

test('noting neither waits nor fails, whatever the database does (HI1)', async () => {
  const { history, database, note } = writing();
  database.fault = away;
  note(1);
  await expect(history.flush(wait)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  note(2);
  expect(history.queued()).toBe(2);
});

test('a full queue drops its oldest events, and says how many once it can write again (HI2, HI3)', async () => {
  const { history, database, note, shown } = writing(100);
  database.fault = away;
  for (let n = 1; n <= 250; n += 1) {
    note(n);
    if (n % 60 === 0) await history.flush(wait).catch(() => undefined);
    expect(history.queued()).toBeLessThanOrEqual(100);
  }
  const kept = history.queued();
  database.fault = undefined;
  await history.flush(wait);
  expect(shown()).toEqual([
    ...Array.from({ length: kept }, (_, n) => String(250 - kept + 1 + n)),
    { events: 250 - kept },
  ]);
  expect(history.totals()).toEqual({ recorded: kept + 1, lost: 250 - kept });
  await history.flush(wait);
  expect(shown(), 'it is said once').toHaveLength(kept + 1);
});

test('that events were lost is not lost itself, however long the database stays away (HI3)', async () => {
  const { history, database, note, rows } = writing(100);
  database.fault = away;
  for (let n = 1; n <= 101; n += 1) note(n);
  database.fault = async () => {
    if (database.batches.length > 0) await away();
  };
  await expect(history.flush(wait)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  for (let n = 1; n <= 500; n += 1) note(n);
  database.fault = undefined;
  await history.flush(wait);
  await history.flush(wait);
  const lost = [...rows.values()].flatMap(({ kind, details }) =>
    kind === 'history_lost' ? [Number(details?.events)] : [],
  );
  const lostTotal = lost.reduce((sum, count) => sum + count, 0);
  expect(lostTotal).toBe(history.totals().lost);
  expect(lostTotal + rows.size - lost.length).toBe(601);
});

test('a batch whose commit is uncertain is written again under the same ids (HI4, P4)', async () => {
  const { history, database, note, rows, shown } = writing();
  note(1);
  note(2);
  database.fault = async () => {
    database.fault = undefined;
    throw new DepotError('COMMIT_UNCERTAIN', 'the answer was lost');
  };
  await expect(history.flush(wait)).rejects.toMatchObject({ code: 'COMMIT_UNCERTAIN' });
  note(3);
  await history.flush(wait);
  expect(shown()).toEqual(['1', '2', '3']);
  expect([...rows.keys()], 'made when they were noted').toEqual(
    [1, 2, 3].map(n => `00000000-0000-4000-8000-00000000000${n}`),
  );
});

test('who flushes while another does waits until all that was noted before is written', async () => {
  const { history, database, note, shown } = writing();
  const answer = Promise.withResolvers<void>();
  note(1);
  database.fault = () => answer.promise;
  const first = history.flush(wait);
  const second = history.flush(wait).then(shown);
  await new Promise(resolve => setImmediate(resolve));
  answer.resolve();
  expect(await second).toEqual(['1']);
  await first;
});

test('a batch that the database refuses is dropped and counted, and does not stop those behind it (HI5)', async () => {
  const { history, database, note, shown } = writing();
  note(1);
  database.fault = async () => {
    database.fault = undefined;
    throw new DepotError('INTERNAL', 'the database refused a statement');
  };
  await history.flush(wait);
  note(2);
  await history.flush(wait);
  expect(shown()).toEqual([{ events: 1 }, '2']);
  expect(history.totals()).toEqual({ recorded: 2, lost: 1 });
});

test('a text of any length, with anything in it, becomes one that a database stores', async () => {
  const { history, rows } = writing();
  const error = `a\u0000b\ud800${'🚀'.repeat(2_000)}`;
  const reason = { code: 'SLED_REFUSES', sledId: SLED, serial: 'sled-1', error, errorCode: 'X' } as const;
  const state = { sledId: SLED, generation: asGeneration(1), reason, isOver: false };
  history.note({ kind: 'sled_state', errorCode: 'X'.repeat(500), ...state });
  const versions = Array.from({ length: 5_000 }, (_, n) => `${n}.0.0`);
  const came = { generation: asGeneration(2), added: versions, removed: [], present: [] };
  history.note({ kind: 'generation', ...came });
  await history.flush(wait);
  const [fault, generation] = [...rows.values()];
  const stored = (fault!.details!.reason as { error: string }).error;
  expect(stored).toHaveLength(1_000);
  expect(stored).toMatch(/^a b\ufffd🚀.*…$/u);
  expect(stored.isWellFormed()).toBe(true);
  expect(fault!.errorCode).toHaveLength(64);
  expect(generation!.details!.added).toHaveLength(100);
});

test('an event with an id of its own keeps it', async () => {
  const { history, rows } = writing();
  const id = EventId.parse('11111111-1111-8111-8111-111111111111');
  history.note({ ...eventOf(1), id });
  history.note({ ...eventOf(1), id });
  await history.flush(wait);
  expect([...rows.keys()]).toEqual([id]);
});

test('a listener is called when there are events to write, also ones noted earlier or not written yet', async () => {
  const { history, database, note } = writing();
  let told = 0;
  note(1);
  history.onPending(() => (told += 1));
  expect(told).toBe(1);
  note(2);
  expect(told, 'not for each event').toBe(1);
  database.fault = away;
  await history.flush(wait).catch(() => undefined);
  expect(told).toBe(2);
  database.fault = undefined;
  await history.flush(wait);
  note(3);
  expect(told).toBe(3);
});

test('a clean stop writes what is queued (S15)', async () => {
  const { history, note, shown } = writing();
  note(1);
  await history[Symbol.asyncDispose]();
  expect(shown()).toEqual(['1']);
});

test('a stop does not wait for ever for a database that does not answer (S15)', async () => {
  const { history, database, note, ring } = writing();
  note(1);
  const asked = Promise.withResolvers<void>();
  database.fault = signal =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      asked.resolve();
    });
  const stopped = history[Symbol.asyncDispose]();
  await asked.promise;
  ring();
  await stopped;
  expect(history.queued()).toBe(1);
});
