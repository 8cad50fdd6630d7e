/** Recovering the generation over the operator's API: a real Nexus and database, and sleds that say what the test says. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ArtifactHash, asGeneration, type SledId } from '../core/ids.ts';
import { DepotError } from '../lib/errors.ts';
import { registration } from './datastore/conformance/records.fixture.ts';
import {
  contentOf,
  digestOf,
  type FakeSled,
  fakeConnection,
  fakeSled,
  hashOf,
  unreachable,
} from './fleet-client/fleet.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from './nexus.fixture.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
let nexus: TestNexus;
let sleds: FakeSled[];
let present: ArtifactHash[];

/** The database is at generation 2, with one release; three sleds hold it, at that generation. */
beforeEach(async () => {
  world = await createTestWorld();
  sleds = [1, 2, 3].map(n => fakeSled(n));
  const connectSleds = () => ({ ...fakeConnection(sleds), [Symbol.asyncDispose]: async () => undefined });
  nexus = await world.startNexus({ replace: { connectSleds } });
  for (const sled of sleds) await register(sled);
  const release = await world.release({ systemVersion: '1.0.0' });
  await nexus.trust(release);
  await nexus.upload(release);
  present = release.artifacts.map(({ sha256 }) => sha256 as ArtifactHash);
  for (const sled of sleds) holds(sled, 2, present);
});
afterEach(() => world[Symbol.asyncDispose]());

const register = ({ target }: FakeSled) =>
  nexus.internal.sledAgentPut(
    {
      params: { sled_id: target.id },
      body: registration({ baseboard: { serial: target.serial, part: 'generic', revision: 0 } }),
    },
    wait,
  );

const holds = (sled: FakeSled, generation: number, hashes: readonly ArtifactHash[]) => {
  sled.config = {
    generation: asGeneration(generation),
    artifacts: new Map(hashes.map(hash => [hash, 1000])),
  };
  sled.files.clear();
  for (const hash of hashes) sled.files.set(hash, contentOf(1));
};
const look = (...exclude: SledId[]) =>
  nexus.recovery.generationRecoveryView(
    { query: exclude.length === 0 ? {} : { exclude_sleds: exclude.join(',') } },
    wait,
  );
type Act = Parameters<TestNexus['recovery']['generationRecover']>[0]['body'];
const act = (body: Act) => nexus.recovery.generationRecover({ body }, wait);
const generationNow = async () => (await nexus.fleet.fleetStatus({}, wait)).generation;
const at = asGeneration;
const idOf = (n: number) => sleds[n - 1]!.target.id;

test('P7: a look names the sleds that are ahead and what only they know of, and changes nothing', async () => {
  holds(sleds[0]!, 7, [...present, hashOf(8), hashOf(9)]);
  holds(sleds[1]!, 6, [hashOf(9)]);
  const found = await look();
  expect(found).toMatchObject({ state: 'blocked', generation: 2, to: 8, deleted_artifacts: [] });
  expect(found.sleds.map(sled => [sled.serial, sled.state, sled.generation, sled.unknown_artifacts])).toEqual(
    [
      ['sled-1', 'comes_back', 7, 2],
      ['sled-2', 'comes_back', 6, 1],
      ['sled-3', 'agrees', 2, 0],
    ],
  );
  const held = [
    { sha256: hashOf(8), sleds: [idOf(1)] },
    { sha256: hashOf(9), sleds: [idOf(1), idOf(2)] },
  ].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
  expect(found).toMatchObject({ unknown_artifacts_total: 2, unknown_artifacts: held });
  expect(found.obstacles).toMatchObject([{ code: 'RECOVERY_LOSES_ARTIFACTS' }]);
  expect(await generationNow()).toBe(2);
  expect(sleds.map(sled => sled.config?.generation)).toEqual([7, 6, 2]);
});

test('P7: acting is refused while sleds would let go of what the database does not know, unless that is confirmed', async () => {
  holds(sleds[0]!, 7, [...present, hashOf(9)]);
  const plan = { expected_generation: at(2), to: at(8) };
  await expect(act(plan)).rejects.toMatchObject({
    code: 'RECOVERY_LOSES_ARTIFACTS',
    message: expect.stringContaining(hashOf(9)),
    detail: { unknown_artifacts: 1 },
  });
  expect(await generationNow()).toBe(2);
  const done = await act({ ...plan, confirm_unknown_artifacts: true });
  expect(done).toMatchObject({ state: 'done', generation: 2, to: 8, unknown_artifacts_total: 1 });
  expect(await generationNow()).toBe(8);
});

test('P7, RH2: after a recovery replication brings the sleds back; a second one, the same or looked at anew, does nothing', async () => {
  holds(sleds[0]!, 7, present);
  const plan = { expected_generation: at(2), to: at(8) };
  expect(await look()).toMatchObject({ state: 'needed', to: 8, obstacles: [] });
  await act(plan);
  expect(await act(plan)).toMatchObject({ state: 'not_needed', generation: 8, to: null });
  expect(await look()).toMatchObject({ state: 'not_needed' });
  await expect.poll(() => sleds.map(sled => sled.config?.generation), { timeout: 30_000 }).toEqual([8, 8, 8]);
  expect(await look()).toMatchObject({ state: 'not_needed', generation: 8 });
  expect(await generationNow()).toBe(8);
});

test('P7: a sled that is told of a new generation while the others are asked has not diverged', async () => {
  const datastore = await world.database.openDatastore();
  sleds[0]!.fault.list = async honest => {
    const before = await datastore.currentGeneration(wait);
    const raised = datastore.generationRaise(at(before.generation + 1), wait);
    // A round of replication asks too, and may be the one that raises it.
    const { generation, digest } = await raised.catch(() => datastore.currentGeneration(wait));
    return { ...honest, generation, config_digest: digest };
  };
  expect(await look()).toMatchObject({ state: 'not_needed', sleds: Array(3).fill({ state: 'agrees' }) });
});

test('P7: an equal generation with another set is recovered the same way', async () => {
  holds(sleds[2]!, 2, present.slice(1));
  expect(await look()).toMatchObject({ state: 'needed', generation: 2, to: 3 });
  await act({ expected_generation: at(2), to: at(3) });
  await expect.poll(() => sleds[2]!.config?.generation, { timeout: 30_000 }).toBe(3);
  expect(digestOf(sleds[2]!.config!.artifacts.keys())).toBe(digestOf(present));
});

test('RH1: a recovery planned on what is no longer so changes nothing', async () => {
  holds(sleds[0]!, 7, present);
  await expect(act({ expected_generation: at(1), to: at(8) })).rejects.toMatchObject({
    code: 'RECOVERY_CHANGED',
    detail: { generation: 2, expected: 1 },
  });
  holds(sleds[1]!, 8, present);
  await expect(act({ expected_generation: at(2), to: at(8) })).rejects.toMatchObject({
    code: 'RECOVERY_CHANGED',
    detail: { lowest: 9 },
  });
  expect(await generationNow()).toBe(2);
});

test('RH1: of two recoveries at once one acts, and the other is told or finds nothing to do', async () => {
  holds(sleds[0]!, 7, present);
  const outcomes = await Promise.all(
    Array.from({ length: 4 }, () =>
      act({ expected_generation: at(2), to: at(8) }).then(
        ({ state }) => state as string,
        (error: DepotError) => error.code,
      ),
    ),
  );
  expect(outcomes.filter(outcome => outcome === 'done')).toHaveLength(1);
  for (const outcome of outcomes) expect(['done', 'not_needed', 'RECOVERY_CHANGED']).toContain(outcome);
  expect(await generationNow()).toBe(8);
});

test('P7: an excluded sled does not count, stays diverged and keeps what it has', async () => {
  holds(sleds[0]!, 7, present);
  holds(sleds[1]!, 1_000, [hashOf(9)]);
  expect(await look()).toMatchObject({ state: 'blocked', to: 1_001 });
  const found = await look(idOf(2));
  expect(found).toMatchObject({ state: 'needed', to: 8, unknown_artifacts_total: 0 });
  expect(found.sleds[1]).toMatchObject({ state: 'stays_diverged', excluded: true, unknown_artifacts: 1 });
  await act({ expected_generation: at(2), to: at(8), exclude_sleds: [idOf(2)] });
  await expect.poll(() => sleds[0]!.config?.generation, { timeout: 30_000 }).toBe(8);
  expect(sleds[1]).toMatchObject({ config: { generation: 1_000 } });
  expect([...sleds[1]!.files.keys()]).toEqual([hashOf(9)]);
  expect(await look(idOf(2))).toMatchObject({ state: 'not_needed' });

  await expect(look('00000000-0000-4000-8000-000000000bad' as SledId)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  await expect(
    nexus.recovery.generationRecoveryView({ query: { exclude_sleds: 'sled-2' } }, wait),
  ).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});

test('G8: sleds that are silent, answer rubbish or have no config yet do not keep the others from being asked', async () => {
  holds(sleds[0]!, 7, present);
  sleds[1]!.fault.list = async () => {
    throw new DepotError('PEER_BAD_ANSWER', 'generation is above 2^53 - 1');
  };
  sleds[2]!.config = undefined;
  expect((await look()).sleds.map(({ state }) => state)).toEqual(['comes_back', 'unbelievable', 'agrees']);
  sleds[1]!.fault.list = unreachable;
  const found = await look();
  expect(found).toMatchObject({ state: 'blocked', to: 8, obstacles: [{ code: 'RECOVERY_SLED_SILENT' }] });
  expect(found.sleds[1]).toMatchObject({
    state: 'silent',
    message: expect.stringContaining('connection refused'),
  });
  const plan = { expected_generation: at(2), to: at(8), confirm_unknown_artifacts: true };
  await expect(act(plan)).rejects.toMatchObject({ code: 'RECOVERY_SLED_SILENT' });
  expect(await act({ ...plan, exclude_sleds: [idOf(2)] })).toMatchObject({ state: 'done' });
});

test('G8: an expunged sled is not asked, and what it claims is of no account', async () => {
  holds(sleds[0]!, 7, present);
  await nexus.fleet.sledSetPolicy({ params: { sled_id: idOf(1) }, body: { policy: 'expunged' } }, wait);
  expect(await look()).toMatchObject({
    state: 'not_needed',
    sleds: [{ serial: 'sled-2' }, { serial: 'sled-3' }],
  });
});

test('P7: the missing release uploaded first, nothing is let go of', async () => {
  const missing = await world.release({ systemVersion: '2.0.0' });
  holds(sleds[0]!, 7, [...present, ...missing.artifacts.map(({ sha256 }) => sha256 as ArtifactHash)]);
  expect((await look()).unknown_artifacts_total).toBeGreaterThan(0);
  await nexus.upload(missing);
  expect(await look()).toMatchObject({ state: 'needed', generation: 3, to: 8, unknown_artifacts_total: 0 });
  await nexus.operator.repositoryDelete({ params: { system_version: '2.0.0' } }, wait);
  const found = await look();
  expect(found).toMatchObject({ state: 'needed', generation: 4, unknown_artifacts_total: 0 });
  expect(found.deleted_artifacts_total).toBeGreaterThan(0);
});
