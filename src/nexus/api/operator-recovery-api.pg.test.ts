/** Recovering the generation over the operator's API: a real Nexus and database, and sleds that say what the test says. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sledAgentInfo } from '../../api/sled-agent-info.fixture.ts';
import { parseAuditContent } from '../../core/facts/audit.ts';
import { type ArtifactHash, asGeneration, pointText, type SledId, SystemVersion } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../process/nexus.fixture.ts';
import { REPLICATION_TASK } from '../replication/task.ts';
import {
  contentOf,
  digestOf,
  type FakeSled,
  fakeConnection,
  fakeSled,
  hashOf,
  pointOf,
  unreachable,
} from '../sleds/fleet.fixture.ts';

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
  // A round that sees a sled of another history may mend that by itself.
  await nexus.services.driver.idle();
  for (const sled of sleds) holds(sled, 2, present);
});
afterEach(() => world[Symbol.asyncDispose]());

const register = ({ target }: FakeSled) =>
  nexus.internal.sledAgentPut(
    {
      params: { sled_id: target.id },
      body: sledAgentInfo({ baseboard: { serial: target.serial, part: 'generic', revision: 0 }, heads: [] }),
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
/** Of the config that a sled has now. */
const pointOfSled = (n: number) => pointOf(sleds[n - 1]!.config!);
const hashesOf = ({ artifacts }: { readonly artifacts: readonly { readonly sha256: string }[] }) =>
  artifacts.map(({ sha256 }) => sha256 as ArtifactHash);
const configsBecome = (...generations: readonly number[]) =>
  expect.poll(() => sleds.map(sled => sled.config?.generation), { timeout: 30_000 }).toEqual(generations);

test('a look lists the points that the database does not know, their sleds and the undecided artifacts, and changes nothing (P7)', async () => {
  holds(sleds[0]!, 7, [...present, hashOf(8), hashOf(9)]);
  holds(sleds[1]!, 6, [hashOf(9)]);
  const found = await look();
  expect(found).toMatchObject({ state: 'blocked', generation: 2, to: 8 });
  expect(found.sleds.map(({ serial, state, generation }) => [serial, state, generation])).toEqual([
    ['sled-1', 'comes_back', 7],
    ['sled-2', 'comes_back', 6],
    ['sled-3', 'agrees', 2],
  ]);
  const [high, low] = [pointOfSled(1), pointOfSled(2)];
  expect(found.points).toEqual([
    { generation: 6, config_digest: low.digest, sleds: [idOf(2)], artifacts: 1 },
    { generation: 7, config_digest: high.digest, sleds: [idOf(1)], artifacts: present.length + 2 },
  ]);
  const undecided = [
    { sha256: hashOf(8), state: 'unknown', points: [high].map(pointText) },
    { sha256: hashOf(9), state: 'unknown', points: [low, high].map(pointText) },
  ].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
  expect(found).toMatchObject({ undecided_artifacts_total: 2, undecided_artifacts: undecided });
  expect(found.obstacles).toMatchObject([{ code: 'RECOVERY_LOSES_ARTIFACTS' }]);
  expect(await generationNow()).toBe(2);
  expect(sleds.map(sled => sled.config?.generation)).toEqual([7, 6, 2]);
});

test('acting is refused until each artifact of a point is listed by a present release, or given up by name', async () => {
  holds(sleds[0]!, 7, [...present, hashOf(8), hashOf(9)]);
  const plan = { expected_generation: at(2), to: at(8) };
  for (const artifacts of [[], [hashOf(8)]]) {
    await expect(act({ ...plan, give_up: { artifacts } })).rejects.toMatchObject({
      code: 'RECOVERY_LOSES_ARTIFACTS',
      message: expect.stringContaining(hashOf(9)),
      detail: { undecided_artifacts: 2 - artifacts.length },
    });
  }
  expect(await generationNow()).toBe(2);
  const { generation, digest } = pointOfSled(1);
  const lost = { generation, digest };
  const done = await act({ ...plan, give_up: { artifacts: [hashOf(8), hashOf(9)] } });
  expect(done).toMatchObject({ state: 'done', generation: 2, to: 8, undecided_artifacts_total: 0 });
  expect(await generationNow()).toBe(8);
  const entries = await world.database.query<{ content: string }>(
    "SELECT content FROM audit_entry WHERE content LIKE '%generation_recovered%'",
  );
  expect(entries.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
    {
      kind: 'generation_recovered',
      ...{ generation: 8, previousGeneration: 2, accepted: [lost], excludedSleds: [] },
      ...{ givenUp: [hashOf(8), hashOf(9)], givenUpTotal: 2 },
    },
  ]);
});

test('the entry of a recovery has the heads of the audit log that sleds keep and the database lost (RH3, T6a)', async () => {
  holds(sleds[0]!, 7, present);
  const [own] = await world.database.query<{ hash: string }>('SELECT hash FROM audit_entry WHERE seq = 1');
  const gone = { seq: 1_000, hash: 'e'.repeat(64) };
  const forked = { seq: 1, hash: 'f'.repeat(64) };
  const keeps = (...heads: readonly { seq: number; hash: string }[]) =>
    heads.map(head => ({ ...head, timeMs: 0 }));
  sleds[0]!.auditHeads = keeps(gone);
  sleds[1]!.auditHeads = keeps({ seq: 1, hash: own!.hash }, forked, gone);
  sleds[2]!.fault = { auditHeads: unreachable };
  expect(await act({ expected_generation: at(2), to: at(8) })).toMatchObject({ state: 'done' });
  const entries = await world.database.query<{ content: string }>(
    "SELECT content FROM audit_entry WHERE content LIKE '%generation_recovered%'",
  );
  expect(entries.map(({ content }) => parseAuditContent(content)?.action)).toMatchObject([
    { kind: 'generation_recovered', headsLost: [forked, gone] },
  ]);
});

test('acting ends the invitations that nobody used, since this database may have forgotten their use, and says how many (RH4, JD4)', async () => {
  holds(sleds[0]!, 7, present);
  for (const table of [
    'sled_invitation (id, sha256, time_expires)',
    'nexus_invitation (nexus_id, id, sha256, time_expires)',
  ])
    await world.database.query(
      `INSERT INTO ${table} VALUES (${table.startsWith('nexus') ? 'gen_random_uuid(), ' : ''}gen_random_uuid(), '${table}', now() + interval '1 hour')`,
    );
  expect(await act({ expected_generation: at(2), to: at(8) })).toMatchObject({
    ...{ state: 'done', invitations_ended: 2 },
  });
  const [open] = await world.database.query<{ count: string }>(
    'SELECT count(*) FROM sled_invitation WHERE time_expires > now()',
  );
  expect(Number(open?.count)).toBe(0);
});

test('where heads of the audit log alone are lost, acting writes the entry that explains them, once (RH2, RH3, T6a)', async () => {
  const gone = { seq: 1_000, hash: 'e'.repeat(64) };
  sleds[0]!.auditHeads = [{ ...gone, timeMs: 0 }];
  expect(await look()).toMatchObject({ state: 'not_needed' });
  const recovered = () =>
    world.database.query<{ content: string }>(
      "SELECT content FROM audit_entry WHERE content LIKE '%generation_recovered%'",
    );
  expect(await act({ expected_generation: at(1), to: at(1) }), 'a stale plan').toMatchObject({
    state: 'not_needed',
  });
  expect(await recovered()).toEqual([]);
  expect(await act({ expected_generation: at(2), to: at(2) })).toMatchObject({
    ...{ state: 'done', generation: 2, to: 3, points: [] },
  });
  expect((await recovered()).map(({ content }) => parseAuditContent(content)?.action)).toMatchObject([
    { accepted: [], headsLost: [gone] },
  ]);
  await configsBecome(3, 3, 3);
  expect(await act({ expected_generation: at(3), to: at(3) })).toMatchObject({ state: 'not_needed' });
  expect(await recovered()).toHaveLength(1);
});

test('a point is given up as a whole, and its name stands for no other', async () => {
  holds(sleds[0]!, 7, [hashOf(8), hashOf(9)]);
  holds(sleds[1]!, 6, [hashOf(7)]);
  const plan = { expected_generation: at(2), to: at(8) };
  const one = { points: [pointText(pointOfSled(1))] };
  await expect(act({ ...plan, give_up: one })).rejects.toMatchObject({
    message: expect.stringContaining(hashOf(7)),
  });
  const both = { points: [1, 2].map(n => pointText(pointOfSled(n))) };
  expect(await act({ ...plan, give_up: both })).toMatchObject({ state: 'done' });
  await configsBecome(8, 8, 8);
});

test('a deleted release is given up by its version; one that is present or unknown is not', async () => {
  const deleted = await world.release({ systemVersion: '2.0.0' });
  await nexus.upload(deleted);
  await nexus.operator.repositoryDelete({ params: { system_version: '2.0.0' } }, wait);
  await nexus.services.driver.idle();
  holds(sleds[0]!, 7, [...present, ...hashesOf(deleted)]);
  const found = await look();
  expect(found).toMatchObject({ state: 'blocked', generation: 4, to: 8 });
  expect(new Set(found.undecided_artifacts.map(({ state }) => state))).toEqual(new Set(['deleted']));
  const plan = { expected_generation: at(4), to: at(8) };
  for (const version of ['1.0.0', '9.9.9']) {
    const releases = [SystemVersion.parse(version)];
    await expect(act({ ...plan, give_up: { releases } })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  }
  const releases = [SystemVersion.parse('2.0.0')];
  expect(await act({ ...plan, give_up: { releases } })).toMatchObject({ state: 'done' });
});

test('after a recovery replication brings the sleds back; a second one, the same or looked at anew, does nothing (RH2)', async () => {
  holds(sleds[0]!, 7, [...present, hashOf(9)]);
  const lost = pointOfSled(1);
  const plan = { expected_generation: at(2), to: at(8), give_up: { artifacts: [hashOf(9)] } };
  await act(plan);
  expect(await act(plan)).toMatchObject({ state: 'not_needed', generation: 8, to: null });
  expect(await look()).toMatchObject({ state: 'not_needed' });
  await configsBecome(8, 8, 8);
  expect(sleds[0]!.offers.at(-1), 'as the successor of what it held').toMatchObject(lost);
  expect([...sleds[0]!.files.keys()].sort()).toEqual([...present].sort());
  expect(await look()).toMatchObject({ state: 'not_needed', generation: 8 });
  const rows = await world.database.query(
    "SELECT generation::int, digest, ordered_by FROM tuf_point WHERE origin = 'accepted'",
  );
  expect(rows).toEqual([{ ...lost, ordered_by: expect.stringContaining('an operator, request') }]);
});

test('a sled that receives a new generation while the others are read has not diverged (P7)', async () => {
  const datastore = await world.database.openDatastore();
  sleds[0]!.fault.list = async honest => {
    const before = await datastore.currentGeneration(wait);
    const raised = datastore.generationRaise({ to: at(before.generation + 1) }, wait);
    // A round of replication asks too, and may be the one that raises it.
    const { generation, digest } = await raised.catch(() => datastore.currentGeneration(wait));
    return { ...honest, generation, digest };
  };
  expect(await look()).toMatchObject({ state: 'not_needed', sleds: Array(3).fill({ state: 'agrees' }) });
});

test('an equal generation with another set is recovered the same way (P7)', async () => {
  holds(sleds[2]!, 2, present.slice(1));
  expect(await look()).toMatchObject({ state: 'needed', generation: 2, to: 3 });
  await act({ expected_generation: at(2), to: at(3) });
  await expect.poll(() => sleds[2]!.config?.generation, { timeout: 30_000 }).toBe(3);
  expect(digestOf(sleds[2]!.config!.artifacts.keys())).toBe(digestOf(present));
});

test('a recovery with a stale plan changes nothing (RH1)', async () => {
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

test('concurrent recoveries have the result of one, and each reports it (RH1, RH2)', async () => {
  holds(sleds[0]!, 7, [...present, hashOf(9)]); // not all of it is wanted: no Nexus mends that by itself meanwhile
  const outcomes = await Promise.all(
    Array.from({ length: 4 }, () =>
      act({ expected_generation: at(2), to: at(8), give_up: { artifacts: [hashOf(9)] } }).then(
        ({ state }) => state as string,
        (error: DepotError) => error.code,
      ),
    ),
  );
  expect(outcomes).toContain('done');
  for (const outcome of outcomes) expect(['done', 'not_needed', 'RECOVERY_CHANGED']).toContain(outcome);
  expect(await generationNow()).toBe(8);
  const rows = await world.database.query("SELECT digest FROM tuf_point WHERE origin = 'accepted'");
  expect(rows).toHaveLength(1);
});

test('a sled that another recovery changes while it is asked counts as changed, not as silent (RH1)', async () => {
  holds(sleds[0]!, 7, [...present, hashOf(9)]);
  const plan = { expected_generation: at(2), to: at(8), give_up: { artifacts: [hashOf(9)] } };
  sleds[0]!.fault.config = async () => {
    delete sleds[0]!.fault.config;
    await act(plan);
    await configsBecome(8, 8, 8);
  };
  await expect(act(plan)).rejects.toMatchObject({ code: 'RECOVERY_CHANGED' });
  expect(await generationNow()).toBe(8);
});

test('an excluded sled does not count, stays diverged and keeps what it has (P7)', async () => {
  holds(sleds[0]!, 7, present);
  holds(sleds[1]!, 1_000, [hashOf(9)]);
  expect(await look()).toMatchObject({ state: 'blocked', to: 1_001 });
  const found = await look(idOf(2));
  expect(found).toMatchObject({ state: 'needed', to: 8, undecided_artifacts_total: 0 });
  expect(found.sleds[1]).toMatchObject({ state: 'stays_diverged', excluded: true, generation: 1_000 });
  await act({ expected_generation: at(2), to: at(8), exclude_sleds: [idOf(2)] });
  await configsBecome(8, 1_000, 8);
  expect([...sleds[1]!.files.keys()]).toEqual([hashOf(9)]);
  expect(await look(idOf(2))).toMatchObject({ state: 'not_needed' });

  await expect(look('00000000-0000-4000-8000-000000000bad' as SledId)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  await expect(
    nexus.recovery.generationRecoveryView({ query: { exclude_sleds: 'sled-2' } }, wait),
  ).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});

test('a claim too far above the database is shown, and never followed (G8)', async () => {
  holds(sleds[0]!, 2 ** 40, [hashOf(9)]);
  const found = await look();
  expect(found).toMatchObject({ state: 'not_needed', points: [] });
  expect(found.sleds[0]).toMatchObject({
    state: 'unbelievable',
    generation: null,
    details: { kind: 'unbelievable_point', point: { generation: 2 ** 40 } },
    remedy: expect.stringContaining('Reset it on its machine'),
  });
});

test('sleds that are silent, answer rubbish or have no config yet do not keep the others from being recovered (G8)', async () => {
  holds(sleds[0]!, 7, present);
  sleds[1]!.fault.list = async () => {
    throw new DepotError('PEER_BAD_ANSWER', 'generation is above 2^53 - 1');
  };
  sleds[2]!.config = undefined;
  expect((await look()).sleds.map(({ state }) => state)).toEqual(['comes_back', 'unbelievable', 'agrees']);
  sleds[1]!.fault.list = unreachable;
  const found = await look();
  expect(found).toMatchObject({ state: 'needed', to: 8, obstacles: [] });
  expect(found.sleds[1]).toMatchObject({
    state: 'silent',
    details: { kind: 'no_answer', error: expect.stringContaining('connection refused') },
  });
  expect(await act({ expected_generation: at(2), to: at(8) })).toMatchObject({ state: 'done' });
});

test('a point whose set no sled gives is an obstacle alone, and stays unknown beside others (RG2)', async () => {
  holds(sleds[0]!, 7, [hashOf(9)]);
  const claimed = pointOf({ generation: at(7), artifacts: new Map([[hashOf(8), 1]]) });
  sleds[0]!.fault.list = async honest => ({ ...honest, digest: claimed.digest });
  const found = await look();
  expect(found).toMatchObject({ state: 'blocked', obstacles: [{ code: 'RECOVERY_SLED_SILENT' }] });
  expect(found.points).toMatchObject([{ config_digest: claimed.digest, artifacts: null }]);
  const plan = { expected_generation: at(2), to: at(8) };
  await expect(act(plan)).rejects.toMatchObject({ code: 'RECOVERY_SLED_SILENT' });
  holds(sleds[1]!, 6, present);
  expect(await look()).toMatchObject({ state: 'needed', to: 7, obstacles: [] });
  await act({ ...plan, to: at(7) });
  expect((await look()).points).toMatchObject([{ config_digest: claimed.digest }]);
});

test('an expunged sled is not asked, and its claims do not count (G8)', async () => {
  holds(sleds[0]!, 7, present);
  await nexus.fleet.sledSetPolicy({ params: { sled_id: idOf(1) }, body: { policy: 'expunged' } }, wait);
  expect(await look()).toMatchObject({
    state: 'not_needed',
    sleds: [{ serial: 'sled-2' }, { serial: 'sled-3' }],
  });
});

test('a lost release can be uploaded again without a refusal for rollback, and then nothing is undecided (P3)', async () => {
  const versions = (number: number) => ({ timestamp: number, snapshot: number, targets: number });
  const missing = await world.release({ systemVersion: '2.0.0', versions: versions(3) });
  await nexus.upload(await world.release({ systemVersion: '3.0.0', versions: versions(5) }));
  await nexus.services.driver.idle();
  await expect(nexus.upload(missing)).rejects.toMatchObject({ code: 'METADATA_ROLLBACK' });
  holds(sleds[0]!, 7, [...present, ...hashesOf(missing)]);
  expect(await look()).toMatchObject({ state: 'blocked', generation: 3 });
  // A round has to see what sleds hold of it.
  nexus.services.driver.activate(REPLICATION_TASK);
  await nexus.services.driver.idle();
  await nexus.upload(missing);
  expect(
    await world.database.query('SELECT sentence FROM override_audit'),
    'the audit says why it was let in',
  ).toEqual([{ sentence: expect.stringContaining('the database has lost this release') }]);
  expect((await look()).undecided_artifacts_total).toBe(0);
  // All that the sled holds is wanted now. A Nexus raises the generation by itself, but once a day for one sled.
  const decide = async () => {
    const { state, generation: expected_generation, to } = await look();
    if (state === 'needed') await act({ expected_generation, to: to! });
  };
  await decide().catch(error => expect(error).toMatchObject({ code: 'RECOVERY_CHANGED' }));
  const generationAfterARound = async () => {
    nexus.services.driver.activate(REPLICATION_TASK); // whichever of the two it was: here no round begins by itself
    await nexus.services.driver.idle();
    return sleds[0]!.config!.generation;
  };
  await expect.poll(generationAfterARound, { timeout: 30_000 }).toBeGreaterThan(7);
  for (const hash of hashesOf(missing)) expect(sleds[0]!.files.has(hash)).toBe(true);
});

test('the replication check says of each sled whether it has the config of the database, and changes nothing', async () => {
  const check = () => nexus.recovery.replicationCheck({}, wait);
  expect(await check()).toEqual({
    generation: 2,
    sleds: sleds.map(({ target }) => ({
      ...{ sled_id: target.id, serial: target.serial, ip: expect.any(String) },
      ...{ state: 'ok', generation: 2, message: 'OK' },
    })),
  });
  const [old, newer, other] = sleds as [FakeSled, FakeSled, FakeSled];
  holds(old, 1, []);
  holds(newer, 3, present);
  holds(other, 2, [...present.slice(1), hashOf(98)]);
  expect((await check()).sleds.map(({ state, message }) => [state, message])).toEqual([
    ['old', "OLD: nexus's 2 > sled's 1"],
    ['newer', "BAD: nexus's 2 < sled's 3"],
    ['other_artifacts', "BAD: nexus's 2 = sled's 2 with incorrect artifacts"],
  ]);
  other.config = undefined;
  holds(newer, 2, [...present, hashOf(99)]);
  expect((await check()).sleds.slice(1).map(({ state, message }) => [state, message])).toEqual([
    ['other_artifacts', "BAD: nexus's 2 = sled's 2 with incorrect artifacts"],
    ['error', expect.stringMatching(/^ERROR: /)],
  ]);
  expect(old.config?.generation).toBe(1);
});
