import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { pairKey } from '../../core/plan/input.ts';
import { DepotError } from '../../lib/errors.ts';
import { type FakeSled, hashOf } from '../sleds/fleet.fixture.ts';
import { fleet, give, hang, holdings, POLICY, slowClock } from './fleet-transfers.fixture.ts';

const io = async () => {
  throw new DepotError('IO', 'disk error');
};

test('one census fills a fleet: each artifact leaves Nexus once, and sleds pass on what they have just received (PL1, TRF1)', async () => {
  const { sleds, run, requests } = fleet(8, [1, 2, 3, 4, 5, 6], { clock: slowClock });
  expect(await run()).toEqual({ begun: 48, written: 96, isAtRest: true });
  expect(holdings(sleds)).toEqual(Array(8).fill(6));
  expect(requests.lifetime()).toMatchObject({ put_ok: 6, copy_ok: 42, put_err: 0, copy_err: 0 });
});

test('a place is free again as soon as a transfer has ended, and never taken twice (PL5, TRF1)', async () => {
  const { sleds, run } = fleet(4, [1, 2, 3, 4], { policy: { minSledReplication: 1 } });
  let [underWay, most] = [0, 0];
  for (const sled of sleds)
    sled.fault.put = async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await delay(2);
      underWay -= 1;
    };
  await run();
  expect(most, 'one place for puts').toBe(1);
  expect(holdings(sleds)).toEqual([4, 4, 4, 4]);
});

test('a sled that takes its time holds up nobody, and its put goes on after the round (G8, TRF1)', async () => {
  const { sleds, run, transfers, requests } = fleet(3, [1, 2], {
    policy: { limits: { ...POLICY.limits, maxPuts: 2 }, roundWaitMs: 2_000 },
  });
  const gate = Promise.withResolvers<void>();
  sleds[0]!.fault.put = () => gate.promise;
  sleds[0]!.fault.copy = () => gate.promise.then(() => false);
  expect(await run()).toMatchObject({ isAtRest: false });
  const slow = transfers.forPlan().underWay.filter(({ sledId }) => sledId === sleds[0]!.target.id);
  expect(slow).toHaveLength(1);
  expect(holdings(sleds.slice(1)).every(held => held >= 1)).toBe(true);
  expect(await run(), 'the next round does not wait for it').toMatchObject({ isAtRest: true });
  gate.resolve();
  await expect.poll(() => transfers.forPlan().underWay).toEqual([]);
  await run();
  expect(holdings(sleds)).toEqual([2, 2, 2]);
  expect(requests.lifetime()).toMatchObject({ put_err: 0, copy_err: 0 });
});

test('a source that fails is replaced at once by another one (B8, B21)', async () => {
  const { sleds, run, log } = fleet(3, [1], { hasArchive: false });
  const [a, b, c] = sleds as [FakeSled, FakeSled, FakeSled];
  give(a, 1);
  give(b, 1);
  const tried: string[] = [];
  c.fault.copy = async () => {
    tried.push(log.at(-1)!);
    if (tried.length === 1) throw new DepotError('COPY_SOURCE', 'cut');
    return false;
  };
  await run();
  expect(c.files.size).toBe(1);
  expect(new Set(tried).size, 'two sources').toBe(2);
});

test('a sled that is at another point, or unreachable, is asked once in a round (TRF3, R4)', async () => {
  for (const code of ['ARTIFACT_GENERATION', 'PEER_UNREACHABLE'] as const) {
    const { sleds, run, log } = fleet(2, [1, 2, 3]);
    const refuse = async () => {
      throw new DepotError(code, 'not now');
    };
    Object.assign(sleds[0]!.fault, { put: refuse, copy: refuse });
    await run();
    expect(log.filter(line => line.includes(' sled-1'))).toHaveLength(1);
    expect(holdings(sleds)).toEqual([0, 3]);
    sleds[0]!.fault = {};
    await run();
    expect(holdings(sleds)[0], code).toBeGreaterThanOrEqual(2);
  }
});

test('a transfer that failed on its sled waits for its back-off, and its sled receives the others (P6, G8)', async () => {
  const { sleds, run, memory } = fleet(1, [1, 2, 3]);
  let failures = 0;
  sleds[0]!.fault.put = async () => {
    failures += 1;
    if (failures === 1) await io();
  };
  await run();
  expect(holdings(sleds)).toEqual([2]);
  expect([...memory.backoff().values()]).toMatchObject([{ code: 'IO', failures: 1 }]);
});

test('a copy whose end its sled does not tell is under way until a later listing (B7, TRF2)', async () => {
  const w = fleet(2, [1], {
    hasArchive: false,
    connection: {
      copyOutcome: async () => {
        throw new DepotError('NOT_FOUND', 'this version has no such route');
      },
    },
  });
  give(w.sleds[0]!, 1);
  w.sleds[1]!.fault.copy = async () => true;
  expect(await w.run()).toMatchObject({ begun: 1, written: 0, isAtRest: true });
  expect(w.transfers.forPlan().underWay).toHaveLength(1);
  await w.run();
  expect(
    w.log.filter(line => line.startsWith('copy')),
    'its list has it',
  ).toHaveLength(1);
  w.sleds[1]!.copiesInFlight.clear();
  w.sleds[1]!.fault = {};
  await w.run();
  expect(w.log.filter(line => line.startsWith('copy'))).toHaveLength(2);
});

test('a transfer that goes on while the next round begins is not sent again (TRF1, TRF2)', async () => {
  const w = fleet(2, [1, 2]);
  const gate = Promise.withResolvers<void>();
  for (const sled of w.sleds) sled.fault.put = () => gate.promise;
  w.follow();
  await expect.poll(() => w.transfers.forPlan().underWay.length).toBe(1);
  const before = w.transfers.forPlan().underWay[0]!.sha256;
  const stale = w.sleds.map(sled => [...sled.files.keys()]);
  w.follow();
  gate.resolve();
  await w.settle();
  expect(stale).toEqual([[], []]);
  expect(holdings(w.sleds)).toEqual([2, 2]);
  const puts = w.log.filter(line => line.startsWith(`put ${before.slice(0, 4)}`));
  expect(puts).toHaveLength(1);
});

test('a re-copy without effect is not sent over and over (B9, M4)', async () => {
  const w = fleet(1, [1], {
    hasArchive: false,
    connection: {
      copyOutcome: async () => ({ kind: 'stored', datasets: 2, successfulWrites: 1 }),
    },
  });
  const [sled] = w.sleds as [FakeSled];
  give(sled, 1);
  w.listHalf(sled);
  const copies = () => w.log.filter(line => line.startsWith('copy')).length;
  await w.run();
  expect(w.transfers.forPlan().underWay, 'its list says why it changed nothing').toHaveLength(1);
  w.memory.recopiesEnded(sled.target.id, () => false, ['no space']);
  await w.run();
  expect(copies()).toBe(1);
  expect([...w.memory.backoff().keys()]).toEqual([pairKey(sled.target.id, hashOf(1))]);
});

test('a sled that lists more datasets than it writes to is not sent the same over and over (M4, TRF2)', async () => {
  const w = fleet(2, [1], { hasArchive: false });
  give(w.sleds[0]!, 1);
  w.sleds[0]!.datasets = 1;
  const copyTo = w.sleds[1]!;
  copyTo.datasets = 3;
  copyTo.fault.copy = async () => {
    copyTo.datasets = 2;
    return false;
  };
  await w.run();
  expect(w.log.filter(line => line.startsWith('copy'))).toHaveLength(1);
  expect(w.transfers.forPlan().underWay).toHaveLength(1);
});

test('what is on fewer datasets than it should be is copied again only if a listing says so (B9, TRF2)', async () => {
  const w = fleet(1, [1], {
    connection: { put: async () => ({ datasets: 2, successfulWrites: 1 }) },
  });
  expect(await w.run()).toMatchObject({ begun: 1, written: 1, isAtRest: true });
  expect(w.log).toEqual([]);
  expect(w.transfers.forPlan().underWay, 'its disk may be read-only').toHaveLength(1);
});

test('a stop aborts puts and copies under way, and waits for them (S15)', async () => {
  const signals: AbortSignal[] = [];
  const hanging = (_sled: unknown, _artifact: unknown, { signal }: { signal: AbortSignal }) => {
    signals.push(signal);
    return hang(signal);
  };
  const w = fleet(3, [1, 2], { connection: { put: hanging, copy: hanging }, policy: { roundWaitMs: 20 } });
  give(w.sleds[0]!, 1);
  await w.run();
  expect(signals.map(signal => signal.aborted)).toEqual([false, false]);
  await w.transfers[Symbol.asyncDispose]();
  expect(signals.map(signal => signal.aborted)).toEqual([true, true]);
  expect(w.requests.lifetime(), 'nothing is under way any more').toMatchObject({ put_err: 1, copy_err: 1 });
});

test('a copy request that is not answered ends at its deadline, with a reason, and costs this copy alone (G8)', async () => {
  const w = fleet(2, [1], {
    hasArchive: false,
    policy: { copyAnswerTimeoutMs: 10 },
    connection: { copy: (_sled, _artifact, { signal }) => hang(signal) },
  });
  const [a, b] = w.sleds as [FakeSled, FakeSled];
  give(b, 1);
  await w.run();
  expect(w.requests.recent()).toMatchObject([{ failure: { code: 'COPY_SOURCE' } }]);
  expect(w.memory.sled(a.target.id).silence).toBeUndefined();
  expect(w.memory.routes().get(a.target.id)?.get(b.target.id)).toMatchObject({
    because: expect.stringContaining('within 0.01 s'),
  });
});

test('a source is trusted again once a copy from it has arrived (B21)', async () => {
  const { sleds, run, memory } = fleet(2, [1], { hasArchive: false });
  const [a, b] = sleds as [FakeSled, FakeSled];
  give(b, 1);
  memory.transferFailed(a.target.id, hashOf(2), new DepotError('COPY_SOURCE', 'cut'), { id: b.target.id });
  await run();
  expect(a.files.size, 'the route waits').toBe(0);
  await expect
    .poll(
      async () => {
        await run();
        return a.files.size;
      },
      { timeout: 10_000 },
    )
    .toBe(1);
  memory.transferDone(a.target.id, hashOf(1)); // as the next listing does
  expect(memory.routes().size).toBe(0);
});
