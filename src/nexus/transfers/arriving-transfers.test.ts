import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { SledId } from '../../core/ids.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import type { FakeSled } from '../sleds/fleet.fixture.ts';
import { fleet, give, hang, holdings, POLICY } from './fleet-transfers.fixture.ts';

type Tell = (sled: string) => Promise<void> | undefined;

/** Every transfer begins at once, and ends when the test says so. */
const heldUp = (
  count: number,
  {
    marked = [1],
    hasArchive = true,
    tell = () => undefined,
    clock,
  }: {
    readonly marked?: readonly number[];
    readonly hasArchive?: boolean;
    readonly tell?: Tell;
    readonly clock?: Clock;
  } = {},
) => {
  const begun: string[] = [];
  const told: string[] = [];
  const gate = Promise.withResolvers<void>();
  const sledOf = (id: SledId): FakeSled => w.sleds.find(({ target }) => target.id === id)!;
  const store = async (id: SledId) => {
    await gate.promise;
    give(sledOf(id), 1);
    return { datasets: 2, successfulWrites: 2 };
  };
  const connection: Partial<SledConnection> = {
    async tellPrefixes(target) {
      told.push(target.serial);
      await tell(target.serial);
    },
    async put(target) {
      begun.push(`${target.serial} from Nexus`);
      return store(target.id);
    },
    async copy(target, { source, isArriving }) {
      begun.push(`${target.serial} from ${source.serial}${isArriving === true ? ', which receives it' : ''}`);
    },
    copyOutcome: async (target, _copy, { signal }) => ({
      kind: 'stored',
      ...(await Promise.race([store(target.id), hang(signal)])),
    }),
  };
  const w = fleet(count, [1], {
    ...{ connection, marked, hasArchive },
    ...(clock && { clock, policy: { limits: { ...POLICY.limits, maxPuts: 2, maxTransfersToSled: 2 } } }),
  });
  for (const sled of w.sleds) Object.assign(sled.target, { heads: [] });
  return { ...w, begun, told, gate };
};

test('a sled passes on what it receives, before it has all of it (B20, PL11, TRQ3)', async () => {
  const w = heldUp(3);
  w.follow();
  await expect.poll(() => w.begun.length).toBe(3);
  const [first, second, third] = w.begun.map(line => line.split(' from ')[0]!);
  expect(w.begun).toEqual([
    `${first} from Nexus`,
    `${second} from ${first}, which receives it`,
    `${third} from ${second}, which receives it`,
  ]);
  expect(w.told, 'each before its transfer').toEqual([first, second, third]);
  w.gate.resolve();
  await w.settle();
  expect(holdings(w.sleds)).toEqual([1, 1, 1]);
});

test('a sled behind one that receives too slowly receives the artifact from Nexus, and what it replaces counts for nothing (PL13, G8)', async () => {
  let aheadMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  const w = heldUp(2, { clock });
  w.follow();
  await expect.poll(() => w.begun.length).toBe(2);
  const [first, second] = w.begun.map(line => line.split(' from ')[0]!);
  aheadMs = 10_000;
  await expect.poll(() => w.begun, { timeout: 10_000 }).toHaveLength(3);
  expect(w.begun[2]).toBe(`${second} from Nexus`);
  await delay(10);
  w.follow();
  const { underWay } = w.transfers.forPlan();
  expect(underWay.map(({ source }) => source)).toEqual([undefined, undefined]);
  w.gate.resolve();
  await w.settle();
  expect(holdings(w.sleds)).toEqual([1, 1]);
  expect(w.begun, `${first} is sent it once`).toHaveLength(3);
  expect(w.transfers.forPlan().underWay).toEqual([]);
});

test('an artifact without prefix digests is passed on as a whole', async () => {
  const w = heldUp(2, { marked: [] });
  w.follow();
  await expect.poll(() => w.begun.length).toBe(1);
  w.gate.resolve();
  await w.settle();
  expect(w.begun).toHaveLength(2);
  expect(w.begun[1]).not.toContain('receives');
  expect(w.told).toEqual([]);
});

test('an older sled neither passes on what it has not all of nor copies it, and is told of prefixes once in a round (TRQ3)', async () => {
  const older = new DepotError('NOT_FOUND', 'there is nothing at /artifacts/prefixes');
  const w = heldUp(2, { tell: () => Promise.reject(older) });
  w.follow();
  await expect.poll(() => w.begun.length).toBe(1);
  w.gate.resolve();
  await w.settle();
  expect(w.begun).toHaveLength(2);
  expect(w.begun.join()).not.toContain('receives');
  expect(holdings(w.sleds)).toEqual([1, 1]);
  expect(new Set(w.told).size).toBe(w.told.length);
});

test('a sled of an older version waits for a whole copy, while the others pass on what arrives (TRQ3)', async () => {
  const asked: string[] = [];
  const w = heldUp(3, {
    tell(sled) {
      asked.push(sled);
      const isOlder = asked.indexOf(sled) === 1;
      return isOlder ? Promise.reject(new DepotError('NOT_FOUND', 'no such route')) : undefined;
    },
  });
  w.follow();
  await expect.poll(() => w.begun.length).toBe(2);
  const [first, older, third] = asked;
  expect(w.begun).toEqual([`${first} from Nexus`, `${third} from ${first}, which receives it`]);
  w.gate.resolve();
  await w.settle();
  expect(w.begun.slice(2).map(line => line.split(' from ')[0])).toEqual([older]);
  expect(holdings(w.sleds)).toEqual([1, 1, 1]);
  expect(w.memory.routes().size + w.memory.backoff().size, 'it is no failure').toBe(0);
});

test('a sled that refuses prefix digests receives the artifact without them', async () => {
  const w = heldUp(2, { tell: () => Promise.reject(new DepotError('INVALID_REQUEST', 'they do not fit')) });
  w.follow();
  await expect.poll(() => w.begun.length).toBe(1);
  w.gate.resolve();
  await w.settle();
  expect(w.begun.join()).not.toContain('receives');
  expect(holdings(w.sleds)).toEqual([1, 1]);
});

test('a sled that does not answer when it is told is sent nothing, and backs off (R4, M1)', async () => {
  const w = heldUp(1, { tell: () => Promise.reject(new DepotError('PEER_UNREACHABLE', 'refused')) });
  w.gate.resolve();
  await w.run();
  expect(w.begun).toEqual([]);
  expect(w.memory.sled(w.sleds[0]!.target.id).silence).toMatchObject({ failures: 1 });
});

test('a sled agent of the original is told nothing, and copies from whole copies alone', async () => {
  const w = heldUp(2);
  for (const sled of w.sleds) Object.assign(sled.target, { heads: null });
  w.gate.resolve();
  await w.run();
  expect(w.told).toEqual([]);
  expect(w.begun.join()).not.toContain('receives');
});
