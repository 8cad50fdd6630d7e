import { expect, test } from 'vitest';
import { asGeneration } from '../../core/ids.ts';
import type { SignedStatement } from '../../core/statement.ts';
import { type AdminKeys, generateAdminKey, NO_ADMIN_KEYS, signStatement } from '../../identity/admin-key.ts';
import { createStatements } from '../../identity/statements.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import { fakeConnection, fakeSled } from '../sleds/fleet.fixture.ts';
import { statementTask } from './statement-task.ts';

const fleet = 'test.example';
const key = generateAdminKey();
const allowance = (generation: number, by = key): SignedStatement =>
  signStatement(
    {
      kind: 'allow_deletion',
      point: { generation: asGeneration(generation), digest: 'a'.repeat(64) },
      fleet,
      id: `00000000-0000-4000-8000-${generation.toString().padStart(12, '0')}`,
      time: '2026-01-01T00:00:00.000Z',
    },
    by,
  );

/** Two sleds in service. */
const telling = ({
  keys = { list: () => [key] },
  clock = systemClock,
}: {
  keys?: AdminKeys;
  clock?: Clock;
} = {}) => {
  const [first, second] = [fakeSled(1), fakeSled(2)];
  const recorded: SignedStatement[] = [];
  const told: string[] = [];
  const fails = new Map<string, DepotError>();
  const refuses = new Set<string>();
  const task = statementTask({
    datastore: {
      sledList: async () => ({
        items: [first, second].map(
          ({ target }) =>
            ({
              id: target.id,
              info: { agentAddress: '127.0.0.1:1', depotPort: 1, baseboard: { serial: target.serial } },
            }) as unknown as SledRecord,
        ),
        nextPage: undefined,
      }),
      statementList: async () => recorded.map(signed => ({ signed, timeRecordedMs: 0 })),
    },
    connection: {
      ...fakeConnection([]),
      async tellStatements({ serial }, list) {
        const fault = fails.get(serial);
        if (fault !== undefined) throw fault;
        told.push(`${serial}: ${list.length}`);
        return refuses.has(serial) ? [{ statementSha256: 'ab', reason: 'not pinned here' }] : [];
      },
    },
    statements: createStatements({ known: [], keys, fleet, save: async () => undefined }),
    clock,
  });
  const activate = async () =>
    (await task.activate({ reason: 'timeout', log: silentLogger, signal: new AbortController().signal }))
      .summary;
  return { first, second, recorded, told, fails, refuses, activate };
};
const NOTHING = { waiting: [], refused: [], of_an_older_version: [] };

test('what is recorded is told to every sled in service once, and again when there is more (STT2)', async () => {
  const world = telling();
  expect(await world.activate()).toEqual({ statements: 0, ...NOTHING });
  expect(world.told).toEqual([]);
  world.recorded.push(allowance(1));
  expect(await world.activate()).toEqual({ statements: 1, ...NOTHING });
  expect(world.told.length).toBe(2);
  await world.activate();
  expect(world.told.length).toBe(2);
  world.recorded.push(allowance(2));
  await world.activate();
  expect(world.told.slice(2).map(line => line.at(-1))).toEqual(['2', '2']);
});

test('what a restored database has forgotten is told all the same (STT1)', async () => {
  const world = telling({ clock: createTestClock(0) });
  world.recorded.push(allowance(1));
  world.fails.set(world.second.target.serial, new DepotError('PEER_UNREACHABLE', 'as told'));
  expect(await world.activate()).toEqual({ statements: 1, ...NOTHING, waiting: [world.second.target.id] });
  world.recorded.length = 0;
  world.fails.clear();
  expect(await world.activate()).toEqual({ statements: 1, ...NOTHING });
  expect(world.told).toEqual([`${world.first.target.serial}: 1`, `${world.second.target.serial}: 1`]);
});

test('a statement of another key that is in the database is told to nobody; without a key all are told (STT3)', async () => {
  const verifying = telling();
  verifying.recorded.push(allowance(1), allowance(2, generateAdminKey()));
  expect((await verifying.activate())?.statements).toBe(1);
  const relaying = telling({ keys: NO_ADMIN_KEYS });
  relaying.recorded.push(...verifying.recorded);
  expect((await relaying.activate())?.statements).toBe(2);
  expect(relaying.told.map(line => line.at(-1))).toEqual(['2', '2']);
});

test('a sled that refuses a statement, and one of an older version, are named, and asked again after ten minutes (STT2)', async () => {
  const clock = createTestClock(0);
  const world = telling({ clock });
  const [one, other] = [world.first.target, world.second.target];
  world.recorded.push(allowance(1));
  world.refuses.add(one.serial);
  world.fails.set(other.serial, new DepotError('NOT_FOUND', 'there is nothing at /statements'));
  const summary = {
    ...{ statements: 1, waiting: [], refused: [`${one.id}: ab: not pinned here`] },
    of_an_older_version: [other.id],
  };
  expect(await world.activate()).toEqual(summary);
  await clock.advance(9 * 60_000);
  expect(await world.activate()).toEqual(summary);
  expect(world.told.length).toBe(1);
  await clock.advance(60_000);
  world.refuses.clear();
  world.fails.clear();
  expect(await world.activate()).toEqual({ statements: 1, ...NOTHING });
  expect(world.told.length).toBe(3);
});
