import { expect, test } from 'vitest';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import { fakeConnection, fakeSled, never, unreachable } from '../sleds/fleet.fixture.ts';
import { createOperatorAuditApi } from './operator-audit-api.ts';

type Request = Parameters<ReturnType<typeof createOperatorAuditApi>['auditSledHeads']>[0];
const request = { signal: new AbortController().signal } as unknown as Request;

const asking = (clock = systemClock) => {
  const sleds = [1, 2, 3].map(n => fakeSled(n)) as [
    ReturnType<typeof fakeSled>,
    ReturnType<typeof fakeSled>,
    ReturnType<typeof fakeSled>,
  ];
  const records = sleds.map(
    ({ target: { id, serial } }) =>
      ({
        id,
        info: { agentAddress: '127.0.0.1:1', depotPort: 1, baseboard: { serial } },
      }) as unknown as SledRecord,
  );
  const none = async () => {
    throw new Error('not asked here');
  };
  const api = createOperatorAuditApi({
    datastore: {
      sledList: async ({ policy }) => ({
        items: policy === 'in_service' ? records : [],
        nextPage: undefined,
      }),
      ...{ auditList: none, auditHead: none },
    },
    connection: fakeConnection(sleds),
    clock,
  });
  return { sleds, ask: () => api.auditSledHeads(request) };
};

test('each sled in service is asked for the heads that it keeps, and one that does not tell them is named with the reason (T6a)', async () => {
  const { sleds, ask } = asking();
  const hash = 'a'.repeat(64);
  sleds[0].auditHeads = [{ seq: 3, hash, timeMs: 0 }];
  sleds[1].fault = { auditHeads: unreachable };
  sleds[2].fault = {
    auditHeads: async () => {
      throw new DepotError('NOT_FOUND', 'there is nothing at /audit-heads');
    },
  };
  const [first, second, third] = sleds.map(({ target: { id, serial } }) => ({ sled_id: id, serial }));
  expect(await ask()).toEqual({
    sleds: [
      { ...first, heads: [{ seq: 3, hash, time: '1970-01-01T00:00:00.000Z' }] },
      { ...second, message: 'connection refused' },
      { ...third, message: 'its version keeps no heads of the audit log' },
    ],
  });
});

test('a sled that is silent holds up the answer for a bounded time (T6a)', async () => {
  const clock = createTestClock();
  const { sleds, ask } = asking(clock);
  sleds[1].fault = { auditHeads: never };
  const answer = ask();
  for (let turn = 0; turn < 100; turn += 1) await new Promise(resolve => setImmediate(resolve));
  await clock.advance(60_000);
  const [, { message }] = (await answer).sleds as [unknown, { message: string }];
  expect(message).toBe('it does not answer in time');
});
