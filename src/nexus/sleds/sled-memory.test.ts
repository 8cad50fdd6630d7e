import { describe, expect, test } from 'vitest';
import { type ArtifactHash, asGeneration, SledId } from '../../core/ids.ts';
import { pairKey } from '../../core/plan/input.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { hashOf } from './fleet.fixture.ts';
import { createFleetMemory, type FleetMemory } from './sled-memory.ts';

const sled = SledId.parse('00000001-0000-4000-8000-000000000001');
const other = SledId.parse('00000001-0000-4000-8000-000000000002');
const hash = hashOf(1);
const pointAt = (n: number) => ({
  generation: asGeneration(n),
  digest: String(n).repeat(64),
  hasLineage: true,
});
const unreachable = () => new DepotError('PEER_UNREACHABLE', 'connection refused');
const stalled = () => new DepotError('PEER_STALLED', 'took nothing for 30 s');

const memoryAt = () => {
  const time = { nowMs: 1_000_000, wallMs: 5_000_000 };
  const memory = createFleetMemory({
    clock: { ...systemClock, nowMs: () => time.wallMs, monotonicMs: () => time.nowMs },
    rng: seededRng(1),
  });
  return { memory, time, pair: (sha256: ArtifactHash = hash) => memory.backoff().get(pairKey(sled, sha256)) };
};

test('a sled that keeps failing waits longer each time, up to two minutes, and any answer ends the wait (M1, B8)', () => {
  const { memory, time } = memoryAt();
  const waits: number[] = [];
  for (let n = 0; n < 12; n += 1) {
    memory.sledFailed(sled, unreachable());
    waits.push(memory.sled(sled).silence!.untilMs - time.nowMs);
    time.nowMs = memory.sled(sled).silence!.untilMs;
  }
  expect(waits[0]).toBeLessThanOrEqual(2_000);
  expect(waits[4]).toBeGreaterThan(waits[0]!);
  expect(Math.max(...waits)).toBeLessThanOrEqual(120_000);
  expect(waits.at(-1)).toBeGreaterThanOrEqual(60_000);
  memory.sledAnswered(sled);
  expect(memory.sled(sled).silence).toBeUndefined();
  expect(memory.nextSledAttemptMs()).toBeUndefined();
});

test('a wall clock that is set back makes no wait longer (M6)', () => {
  const { memory, time } = memoryAt();
  time.wallMs += 86_400_000;
  memory.sledFailed(sled, unreachable());
  time.wallMs -= 86_400_000;
  expect(memory.nextSledAttemptMs()! - time.nowMs).toBeLessThanOrEqual(2_000);
});

test('eight puts that one restart of a sled cuts off are one failure (M3)', () => {
  const { memory, time } = memoryAt();
  for (let n = 0; n < 8; n += 1) memory.transferFailed(sled, hashOf(n), unreachable());
  expect(memory.sled(sled).silence).toMatchObject({ failures: 1, because: 'connection refused' });
  expect(memory.sled(sled).silence!.untilMs - time.nowMs).toBeLessThanOrEqual(2_000);
});

test('a put that met another process is a failure of the sled, not of the artifact (M3)', () => {
  const { memory, pair } = memoryAt();
  memory.transferFailed(sled, hash, new DepotError('PEER_IDENTITY', 'it is another sled'));
  expect(memory.sled(sled).silence).toMatchObject({ code: 'PEER_IDENTITY', failures: 1 });
  expect(pair()?.because).toBe('it is another sled');
});

test('a sled that answers everything but its puts is not sent them every round (M2, P6)', () => {
  const { memory, time, pair } = memoryAt();
  const waits: number[] = [];
  for (let n = 0; n < 6; n += 1) {
    memory.transferFailed(sled, hash, stalled());
    waits.push(pair()!.untilMs - time.nowMs);
    time.nowMs = pair()!.untilMs;
    memory.sledAnswered(sled);
  }
  expect(waits.at(-1)).toBeGreaterThan(10 * waits[0]!);
  expect(pair()).toMatchObject({ failures: 6, because: 'took nothing for 30 s' });
  memory.transferDone(sled, hash);
  expect(pair()).toBeUndefined();
});

describe('a copy that failed at its source', () => {
  const third = SledId.parse('00000001-0000-4000-8000-000000000003');
  const cut = () => new DepotError('COPY_SOURCE', 'the source closed the connection');
  const routesTo = (memory: FleetMemory, id = sled) => memory.routes().get(id);

  test('backs off for this sled and source, whatever the artifact, and not for the artifact (M2, B21)', () => {
    const { memory, time, pair } = memoryAt();
    memory.transferFailed(sled, hash, cut(), { id: third });
    memory.transferFailed(sled, hashOf(2), cut(), { id: third });
    const route = routesTo(memory)?.get(third);
    expect(route, 'at the same time: one failure (M3)').toMatchObject({ failures: 1 });
    expect(route!.untilMs).toBeGreaterThan(time.nowMs);
    expect([...route!.artifacts.keys()]).toEqual([hash, hashOf(2)]);
    expect(pair(), 'another source may be tried at once').toBeUndefined();
    expect(routesTo(memory, other), 'other sleds may reach it').toBeUndefined();
  });

  test('waits longer each time, up to half a minute, until a copy from this source arrives', () => {
    const { memory, time } = memoryAt();
    const waits: number[] = [];
    for (let n = 0; n < 12; n += 1) {
      memory.transferFailed(sled, hashOf(n), cut(), { id: third });
      const { untilMs } = routesTo(memory)!.get(third)!;
      waits.push(untilMs - time.nowMs);
      time.nowMs = untilMs;
    }
    expect(waits[0]).toBeLessThanOrEqual(2_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(15_000);
    memory.copyAccepted(sled, hash, { id: third });
    memory.transferDone(sled, hashOf(3));
    expect(routesTo(memory)?.get(third), 'what came from elsewhere says nothing of it').toBeDefined();
    memory.transferDone(sled, hash);
    expect(routesTo(memory)).toBeUndefined();
  });

  test('of an artifact that the source was still receiving says nothing about what else it serves (RTE4)', () => {
    const { memory, time } = memoryAt();
    const pausedMs = () => Math.max(0, routesTo(memory)!.get(third)!.untilMs - time.nowMs);
    const failed = { sha256: hash, depotBaseUrl: '', timeMs: 1, errorCode: 'COPY_SOURCE', message: 'cut' };
    memory.transferFailed(sled, hashOf(2), cut(), { id: third, isArriving: true });
    memory.copyAccepted(sled, hash, { id: third, isArriving: true });
    memory.copyFailed(sled, failed, third);
    expect([...routesTo(memory)!.get(third)!.artifacts.keys()]).toEqual([hashOf(2), hash]);
    expect(pausedMs()).toBe(0);
    memory.copyAccepted(sled, hash, { id: third });
    memory.copyFailed(sled, { ...failed, timeMs: 2 }, third);
    expect(pausedMs(), 'one that has all of it').toBeGreaterThan(0);
  });

  test('is forgotten for an artifact that arrived from elsewhere; the route stays', () => {
    const { memory } = memoryAt();
    memory.transferFailed(sled, hash, cut(), { id: third });
    memory.transferDone(sled, hash);
    expect(routesTo(memory)?.get(third)?.artifacts.size).toBe(0);
  });

  test('is a failure of this sled and artifact if the sled could not store it, or names no source', () => {
    const { memory, pair } = memoryAt();
    memory.transferFailed(sled, hash, new DepotError('IO', 'disk'), { id: third });
    memory.transferFailed(sled, hashOf(2), cut());
    memory.transferFailed(sled, hashOf(3), unreachable(), { id: third });
    expect(routesTo(memory), 'a sled that cannot be asked says nothing of the source').toBeUndefined();
    expect([pair(), pair(hashOf(2)), pair(hashOf(3))].map(each => each?.because)).toEqual([
      'disk',
      'the source closed the connection',
      'connection refused',
    ]);
  });

  test('is remembered for a bounded number of sources and artifacts, of the fleet and the wanted set (M7, RTE3)', () => {
    const { memory } = memoryAt();
    const sources = Array.from({ length: 70 }, (_, n) =>
      SledId.parse(`00000002-0000-4000-8000-${String(n).padStart(12, '0')}`),
    );
    for (const source of sources) memory.transferFailed(sled, hash, cut(), { id: source });
    for (let n = 0; n < 300; n += 1) memory.transferFailed(sled, hashOf(n), cut(), { id: sources.at(-1)! });
    expect([...routesTo(memory)!.keys()]).toEqual(sources.slice(-64));
    expect(routesTo(memory)!.get(sources.at(-1)!)?.artifacts.size).toBe(256);
    memory.retain(new Set([sled, sources.at(-1)!]), new Map([[hashOf(299), 1]]));
    expect([...routesTo(memory)!.keys()]).toEqual(sources.slice(-1));
    expect([...routesTo(memory)!.get(sources.at(-1)!)!.artifacts.keys()]).toEqual([hashOf(299)]);
    memory.retain(new Set([other]), new Map([[hashOf(299), 1]]));
    expect(memory.routes().size).toBe(0);
  });
});

test('a re-copy that changed nothing waits for a back-off that grows; one in flight is not judged (M4, B9)', () => {
  const { memory, time, pair } = memoryAt();
  memory.recopyAccepted(sled, hash);
  memory.recopyAccepted(other, hash);
  memory.recopiesEnded(sled, () => true, []);
  expect(pair()).toBeUndefined();
  memory.recopiesEnded(sled, () => false, ['dataset /m2-a cannot take 9 more bytes: 1 are left']);
  expect(pair()).toMatchObject({
    failures: 1,
    because: expect.stringMatching(/fewer datasets .*: dataset \/m2-a cannot take 9 more bytes/),
  });
  memory.recopiesEnded(sled, () => false, []);
  time.nowMs = pair()!.untilMs;
  memory.recopiesEnded(sled, () => false, []);
  expect(pair()?.failures, 'judged once').toBe(1);
  memory.recopyAccepted(sled, hash);
  memory.recopiesEnded(sled, () => false, []);
  expect(pair()?.failures).toBe(2);
  expect(memory.backoff().has(pairKey(other, hash))).toBe(false);
  memory.recopyAccepted(sled, hash);
  memory.transferDone(sled, hash);
  memory.recopiesEnded(sled, () => false, []);
  expect(pair(), 'it arrived').toBeUndefined();
});

test('a full sled is left alone for a minute, a busy one as long as it asks, none longer than five minutes (S16, B14)', () => {
  const { memory, time } = memoryAt();
  memory.transferFailed(sled, hash, new DepotError('NO_SPACE', 'full'));
  expect(memory.sled(sled).pause).toMatchObject({ untilMs: time.nowMs + 60_000, because: 'full' });
  const busy = new DepotError('SLED_BUSY', 'busy', { detail: { retry_after_s: 86_400 } });
  memory.transferFailed(other, hash, busy);
  expect(memory.sled(other).pause!.untilMs).toBe(time.nowMs + 300_000);
  memory.sledAnswered(sled);
  expect(memory.sled(sled).pause, 'an answer is no room').toBeDefined();
  time.nowMs += 60_000;
  memory.sledAnswered(sled);
  expect(memory.sled(sled).pause, 'a pause that is over is forgotten').toBeUndefined();
});

test('a sled that has deleted something is tried again at once; one that is busy stays left alone (M5, S16)', () => {
  const { memory, pair } = memoryAt();
  memory.transferFailed(sled, hash, new DepotError('NO_SPACE', 'full'));
  memory.transferFailed(other, hash, new DepotError('SLED_BUSY', 'busy'));
  memory.recopyAccepted(sled, hash);
  memory.recopiesEnded(sled, () => false, []);
  memory.transferFailed(sled, hashOf(2), new DepotError('IO', 'disk'));
  memory.roomMade(sled);
  memory.roomMade(other);
  expect(memory.sled(sled).pause).toBeUndefined();
  expect(memory.sled(other).pause).toBeDefined();
  expect(pair()).toBeUndefined();
  expect(pair(hashOf(2)), 'room is no remedy for this').toBeDefined();
});

test('the last point that each sled reported is known, and each point once (M8, P13)', () => {
  const { memory } = memoryAt();
  memory.claimed(sled, pointAt(4));
  memory.claimed(other, pointAt(5));
  memory.claimed(sled, pointAt(5));
  expect(memory.sled(sled).claim).toEqual(pointAt(5));
  expect(memory.claims()).toEqual([pointAt(5)]);
});

test('distrust begins with the first wrong bytes and lasts until all are right (M8, P9)', () => {
  const { memory, time } = memoryAt();
  memory.bytesDiffer(sled, hash);
  time.wallMs += 60_000;
  memory.bytesDiffer(sled, hashOf(2));
  expect(memory.sled(sled).distrust).toEqual({ sinceMs: time.wallMs - 60_000, sha256: hashOf(2) });
  expect(memory.sled(other).distrust).toBeUndefined();
  memory.bytesProven(sled);
  expect(memory.sled(sled).distrust).toBeUndefined();
});

test('the totals of a list are compared with those of the list before it (M8)', () => {
  const { memory } = memoryAt();
  const first = { incarnation: 'a', copiesDone: 1, copiesFailed: 0, deletions: 0 };
  expect(memory.listed(sled, first)).toBeUndefined();
  expect(memory.listed(other, first), 'of each sled for itself').toBeUndefined();
  expect(memory.listed(sled, { ...first, copiesDone: 3 })).toEqual(first);
  expect(memory.listed(sled, first)).toEqual({ ...first, copiesDone: 3 });
});

test('what is in neither the fleet nor the wanted set any more is forgotten (M7)', () => {
  const { memory } = memoryAt();
  memory.transferFailed(sled, hash, new DepotError('IO', 'disk'));
  memory.transferFailed(sled, hashOf(2), new DepotError('IO', 'disk'));
  memory.transferFailed(other, hash, new DepotError('IO', 'disk'));
  memory.sledFailed(other, unreachable());
  memory.retain(new Set([sled]), new Map([[hash, 1]]));
  expect([...memory.backoff().keys()]).toEqual([pairKey(sled, hash)]);
  expect(memory.nextSledAttemptMs()).toBeUndefined();
});
