import { expect, test } from 'vitest';
import { NexusId } from '../../core/ids.ts';
import type { Revocation } from '../../core/revocation.ts';
import { createRevocations } from '../../identity/revocations.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import { fakeConnection, fakeSled } from '../sleds/fleet.fixture.ts';
import { revocationTask } from './revocation-task.ts';

const NEXUS = NexusId.parse('33333333-3333-4333-8333-333333333333');

/** Two sleds in service, and a third one and a Nexus that were expunged at the given times. */
const telling = (
  expunged: { sledMs?: number; nexusMs?: number },
  known: readonly Revocation[] = [],
  clock: Clock = systemClock,
) => {
  const [first, second, third] = [fakeSled(1), fakeSled(2), fakeSled(3)];
  const told: string[] = [];
  const fails = new Set<string>();
  const record = ({ target }: typeof first) =>
    ({
      id: target.id,
      info: { agentAddress: '127.0.0.1:1', depotPort: 1, baseboard: { serial: target.serial } },
    }) as unknown as SledRecord;
  const revocations = createRevocations({ known, save: async () => undefined, nowMs: Date.now });
  const task = revocationTask({
    datastore: {
      sledList: async ({ policy }) => {
        expect(policy).toBe('in_service');
        return { items: [record(first), record(second)], nextPage: undefined };
      },
      revocationList: async () => [
        ...(expunged.nexusMs === undefined
          ? []
          : [{ kind: 'nexus' as const, id: NEXUS, timeMs: expunged.nexusMs }]),
        ...(expunged.sledMs === undefined
          ? []
          : [{ kind: 'sled' as const, id: third.target.id, timeMs: expunged.sledMs }]),
      ],
    },
    connection: {
      ...fakeConnection([]),
      async revoke({ serial }, list) {
        if (fails.has(serial)) throw new DepotError('PEER_UNREACHABLE', 'as told');
        told.push(`${serial}: ${list.map(({ kind, timeMs }) => `${kind} ${timeMs}`).join(', ')}`);
      },
    },
    revocations,
    clock,
  });
  const activate = () =>
    task.activate({ reason: 'timeout', log: silentLogger, signal: new AbortController().signal });
  return { first, second, third, told, fails, revocations, activate };
};

test('what is expunged is remembered and told to every sled in service, once (RVT1, T1c)', async () => {
  const fleet = telling({ sledMs: 5, nexusMs: 7 });
  expect((await fleet.activate()).summary).toEqual({ revoked: 2, waiting: [] });
  const serials = [fleet.first, fleet.second].map(({ target }) => target.serial);
  expect(fleet.told.toSorted()).toEqual(serials.map(serial => `${serial}: nexus 7, sled 5`).toSorted());
  await fleet.activate();
  expect(fleet.told.length).toBe(2);
});

test('what a restored database has forgotten is told all the same (RVT1)', async () => {
  const fleet = telling({}, [{ kind: 'sled', id: fakeSled(3).target.id, timeMs: 5 }]);
  expect((await fleet.activate()).summary).toEqual({ revoked: 1, waiting: [] });
  expect(fleet.told.length).toBe(2);
});

test('a sled that does not answer is told later (RVT2)', async () => {
  const fleet = telling({ sledMs: 5 });
  const { serial, id } = fleet.second.target;
  fleet.fails.add(serial);
  expect((await fleet.activate()).summary).toEqual({ revoked: 1, waiting: [id] });
  fleet.fails.clear();
  expect((await fleet.activate()).summary).toEqual({ revoked: 1, waiting: [] });
  expect(fleet.told.length).toBe(2);
});

test('a sled is told again after ten minutes: it may have lost its list (RVT2)', async () => {
  const clock = createTestClock(0);
  const fleet = telling({ sledMs: 5 }, [], clock);
  await fleet.activate();
  await clock.advance(9 * 60_000);
  await fleet.activate();
  expect(fleet.told.length).toBe(2);
  await clock.advance(60_000);
  await fleet.activate();
  expect(fleet.told.length).toBe(4);
});

test('without anything revoked no sled is asked', async () => {
  const fleet = telling({});
  expect((await fleet.activate()).summary).toEqual({ revoked: 0, waiting: [] });
  expect(fleet.told).toEqual([]);
});
