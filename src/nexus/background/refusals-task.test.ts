import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  type AuditAction,
  type AuditOrigin,
  auditContent,
  parseAuditContent,
} from '../../core/facts/audit.ts';
import { auditText } from '../../core/facts/audit-text.ts';
import { MAX_STRANGER_ROWS } from '../../core/refusal-tally.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { originBy } from '../datastore/conformance/records.fixture.ts';
import { createRefusals, createRefusalWriter, REFUSAL_ENTRIES, REFUSALS_PERIOD_MS } from './refusals-task.ts';

/** The servers of a Nexus that refuse, its task, and the log that it writes to. */
const setUp = () => {
  const clock = createTestClock();
  const refusals = createRefusals(clock);
  const log = new Map<string, Extract<AuditAction, { kind: 'requests_refused' }>>();
  const database: { fault: DepotError | undefined; isStored: boolean } = {
    fault: undefined,
    isStored: false,
  };
  const auditAppend = async ({ entryId }: AuditOrigin, action: AuditAction): Promise<void> => {
    if (action.kind !== 'requests_refused') throw new Error('another action');
    if (database.fault === undefined || database.isStored) log.set(entryId, log.get(entryId) ?? action);
    if (database.fault !== undefined) throw database.fault;
  };
  const newOrigin = () => originBy({ kind: 'nexus' });
  const writer = createRefusalWriter({ refusals, datastore: { auditAppend }, newOrigin, clock });
  const activate = () =>
    writer.task.activate({ reason: 'timeout', log: silentLogger, signal: new AbortController().signal });
  const refuse = (times: number, address = () => '10.0.0.1') => {
    for (let n = 0; n < times; n += 1) {
      const from = address();
      refusals.note({ why: 'token_unknown', address: from, network: from, request: 'GET /v1/sleds' });
    }
  };
  return { clock, writer, activate, refuse, database, entries: () => [...log.values()] };
};
const away = () => new DepotError('DATABASE_UNAVAILABLE', 'the database is away');

test('a minute of refused requests is one entry, and a minute without any is none (RFW1)', async () => {
  const { clock, activate, refuse, entries } = setUp();
  await activate();
  expect(entries()).toEqual([]);
  refuse(2);
  await clock.advance(1_000);
  refuse(1);
  expect(await activate()).toMatchObject({
    summary: { entries_total: 1, requests_total: 3, waiting: false },
  });
  await activate();
  const fromMs = clock.nowMs() - 1_000;
  const untilMs = clock.nowMs();
  expect(entries()).toEqual([
    {
      kind: 'requests_refused',
      ...{ total: 3, fromMs, untilMs },
      refusals: [
        {
          ...{ why: 'token_unknown', address: '10.0.0.1', request: 'GET /v1/sleds' },
          ...{ count: 3, firstMs: fromMs, lastMs: untilMs },
        },
      ],
    },
  ]);
});

test('a flood from ever new addresses, for a day, adds a bounded number of entries of bounded size, and each request is counted (RFW2, T5)', async () => {
  const { clock, activate, refuse, entries } = setUp();
  const MINUTES = 24 * 60;
  let n = 0;
  const address = () => {
    n += 1;
    return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
  };
  for (let minute = 0; minute < MINUTES; minute += 1) {
    refuse(100, address);
    await activate();
    await clock.advance(REFUSALS_PERIOD_MS);
  }
  const written = entries();
  expect(written.length).toBeLessThanOrEqual(REFUSAL_ENTRIES.burst + 24);
  expect(written.length).toBeGreaterThan(REFUSAL_ENTRIES.burst);
  const origin = originBy({ kind: 'nexus' });
  for (const action of written) {
    expect(action.refusals).toHaveLength(MAX_STRANGER_ROWS);
    const content = auditContent(origin, action, 0);
    expect(content.length).toBeLessThan(12 * 1024);
    expect(auditText(parseAuditContent(content)!)).toMatch(
      /^\d+ requests were refused from .*; \d+ of other callers\.$/,
    );
  }
  await clock.advance(REFUSAL_ENTRIES.everyMs);
  await activate();
  expect(entries().reduce((sum, { total }) => sum + total, 0)).toBe(100 * MINUTES);
});

test('while the database is away what is refused is counted, and is written when it answers (RFW1)', async () => {
  const { activate, refuse, database, entries } = setUp();
  database.fault = away();
  refuse(1);
  await expect(activate()).rejects.toThrow('away');
  for (let n = 0; n < 5; n += 1) {
    refuse(1_000, randomUUID);
    await expect(activate()).rejects.toThrow('away');
  }
  database.fault = undefined;
  await activate();
  expect(entries().map(({ total }) => total)).toEqual([1, 5_000]);
});

test('an entry whose commit is uncertain is there once (RFW3, P4)', async () => {
  const { activate, refuse, database, entries } = setUp();
  database.fault = new DepotError('COMMIT_UNCERTAIN', 'the answer was lost');
  database.isStored = true;
  refuse(3);
  await expect(activate()).rejects.toThrow('was lost');
  refuse(4);
  database.fault = undefined;
  await activate();
  expect(entries().map(({ total }) => total)).toEqual([3, 4]);
});

test('an entry that the database refuses is given up, and the next ones are written', async () => {
  const { activate, refuse, database, entries } = setUp();
  database.fault = new DepotError('INTERNAL', 'refused');
  refuse(3);
  expect(await activate()).toMatchObject({ summary: { lost_total: 3 } });
  database.fault = undefined;
  refuse(4);
  await activate();
  expect(entries().map(({ total }) => total)).toEqual([4]);
});

test('a stop writes what was counted, also when no more entries are allowed (RFW4)', async () => {
  const { activate, refuse, entries, writer } = setUp();
  for (let n = 0; n < REFUSAL_ENTRIES.burst; n += 1) {
    refuse(1);
    await activate();
  }
  refuse(7);
  await activate();
  expect(entries()).toHaveLength(REFUSAL_ENTRIES.burst);
  await writer.writeRest(silentLogger);
  expect(entries().at(-1)).toMatchObject({ total: 7 });
});
