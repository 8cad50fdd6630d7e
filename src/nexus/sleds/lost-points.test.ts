import { expect, test } from 'vitest';
import { type ArtifactHash, asGeneration, pointText } from '../../core/ids.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import {
  digestOf,
  type FakeSled,
  fakeConnection,
  fakeSled,
  hashOf,
  never,
  unreachable,
} from './fleet.fixture.ts';
import { createLostPointsMemory, type ReportedPoint, readLostPoints, unknownReports } from './lost-points.ts';

const wait = { log: silentLogger, signal: new AbortController().signal };
const [A, B, C] = [hashOf(1), hashOf(2), hashOf(3)];

const holding = (n: number, generation: number, ...hashes: readonly ArtifactHash[]): FakeSled => ({
  ...fakeSled(n),
  config: { generation: asGeneration(generation), artifacts: new Map(hashes.map(hash => [hash, 1000])) },
});
/** What a sled says of itself; it may be untrue. */
const reports = (
  { target }: FakeSled,
  generation: number,
  ...hashes: readonly ArtifactHash[]
): ReportedPoint => ({
  target,
  claim: { generation: asGeneration(generation), digest: digestOf(hashes), hasLineage: true },
  isKept: false,
});
const point = (generation: number, ...hashes: readonly ArtifactHash[]) => ({
  generation: asGeneration(generation),
  digest: digestOf(hashes),
});
const setUp = (...sleds: readonly FakeSled[]) => {
  const connection = fakeConnection(sleds);
  const memory = createLostPointsMemory();
  let passedMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => passedMs };
  return {
    connection,
    sets: memory.sets,
    deps: { connection, clock, memory },
    passes: (ms: number) => {
      passedMs += ms;
    },
  };
};

test('the reports of points that the database knows, or that are older than its first, are left out', () => {
  const sled = fakeSled(1);
  const known = reports(sled, 4, A);
  const old = { ...reports(sled, 2, B), claim: { ...point(2, B), hasLineage: false } };
  const unknown = [reports(sled, 2, B), reports(sled, 4, B), reports(sled, 9, A)];
  const lineage = { first: asGeneration(3), recorded: new Set([pointText(known.claim)]) };
  expect(unknownReports([known, old, ...unknown], lineage)).toEqual(unknown);
});

test('a claim with a digest that is none does not affect the points of the other sleds (G8)', async () => {
  const [liar, honest] = [holding(1, 9, A), holding(2, 9, B)];
  const { deps } = setUp(liar, honest);
  const claim = { generation: asGeneration(9), digest: 'ABC', hasLineage: true };
  const found = await readLostPoints(deps, [{ ...reports(liar, 9, A), claim }, reports(honest, 9, B)], wait);
  expect(found).toMatchObject([{ artifacts: undefined }, { artifacts: new Set([B]) }]);
});

test('of each point the set is read from one of its sleds, once for as long as a sled claims it (LP2)', async () => {
  const [one, two, other] = [holding(1, 9, A, B), holding(2, 9, A, B), holding(3, 7, C)];
  const { connection, sets, deps } = setUp(one, two, other);
  const all = [reports(one, 9, A, B), reports(two, 9, A, B), reports(other, 7, C)];
  const found = [
    { point: point(9, A, B), owners: [one.target.id, two.target.id], artifacts: new Set([A, B]) },
    { point: point(7, C), owners: [other.target.id], artifacts: new Set([C]) },
  ];
  expect(await readLostPoints(deps, all, wait)).toEqual(found);
  expect(await readLostPoints(deps, all, wait)).toEqual(found);
  expect(connection.log).toEqual(['config sled-1', 'config sled-3']);
  await readLostPoints(deps, [], wait);
  expect(sets.size, 'nobody claims them any more').toBe(0);
});

test('a set that does not have the digest of its point is not believed, and the next sled is asked (LP1)', async () => {
  const [liar, honest] = [holding(1, 9, A), holding(2, 9, A, B)];
  const { connection, deps } = setUp(liar, honest);
  const lying: typeof connection.config = async (target, options) =>
    target.id === liar.target.id
      ? { ...point(9, A), artifacts: new Set([A]) }
      : connection.config(target, options);
  const all = [reports(liar, 9, A, B), reports(honest, 9, A, B)];
  const [found] = await readLostPoints({ ...deps, connection: { config: lying } }, all, wait);
  expect(found!.artifacts).toEqual(new Set([A, B]));
  const [alone] = await readLostPoints(
    { ...deps, memory: createLostPointsMemory(), connection: { config: lying } },
    all.slice(0, 1),
    wait,
  );
  expect(alone).toEqual({ point: point(9, A, B), owners: [liar.target.id], artifacts: undefined });
});

test('a point whose sleds do not give the set has none, and they are asked again after a while (LP2)', async () => {
  const sled = holding(1, 9, A);
  const { connection, deps, passes } = setUp(sled);
  sled.fault.putConfig = unreachable;
  expect(await readLostPoints(deps, [reports(sled, 9, A)], wait)).toMatchObject([{ artifacts: undefined }]);
  sled.fault = {};
  await readLostPoints(deps, [reports(sled, 9, A)], wait);
  expect(connection.log, 'not at once').toHaveLength(1);
  passes(60_001);
  expect(await readLostPoints(deps, [reports(sled, 9, A)], wait)).toMatchObject([
    { artifacts: new Set([A]) },
  ]);
});

test('a sled that never answers costs one round a bounded wait, and the next round asks another one (G8)', async () => {
  const [mute, honest] = [holding(1, 9, A), holding(2, 9, A)];
  const { connection, deps } = setUp(mute, honest);
  const config: typeof connection.config = async (target, options) => {
    if (target.id !== mute.target.id) return connection.config(target, options);
    const timedOut = new Promise<never>((_, reject) =>
      options.signal.addEventListener('abort', () => reject(options.signal.reason)),
    );
    return Promise.race([never(), timedOut]);
  };
  const clock: Clock = { ...deps.clock, timeout: () => systemClock.timeout(1) };
  const all = [reports(mute, 9, A), reports(honest, 9, A)];
  const impatient = { ...deps, clock, connection: { config } };
  expect(await readLostPoints(impatient, all, wait)).toMatchObject([{ artifacts: undefined }]);
  expect(await readLostPoints({ ...deps, connection: { config } }, all, wait)).toMatchObject([
    { artifacts: new Set([A]) },
  ]);
});

test('a round that is stopped stops reading', async () => {
  const sled = holding(1, 9, A);
  const { deps } = setUp(sled);
  const stopped = new AbortController();
  const config = () => {
    stopped.abort(new Error('stopped'));
    return unreachable();
  };
  const options = { log: silentLogger, signal: stopped.signal };
  await expect(
    readLostPoints({ ...deps, connection: { config } }, [reports(sled, 9, A)], options),
  ).rejects.toThrow('stopped');
});
