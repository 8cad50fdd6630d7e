import { expect, test } from 'vitest';
import type { Generation } from '../../core/ids.ts';
import type { Wanted } from '../../core/inventory.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
import { createRequestLog } from '../request-log.ts';
import { collect } from './collect.ts';
import {
  contentOf,
  digestOf,
  type FakeSled,
  fakeConnection,
  fakeSled,
  generation,
  hashOf,
  never,
  unreachable,
} from './fleet.fixture.ts';
import { createFleetMemory } from './sled-memory.ts';

const wanted: Wanted = {
  generation: generation(5),
  artifacts: new Map([1, 2].map(n => [hashOf(n), 1000])),
  releases: [],
};
const digest = digestOf(wanted.artifacts.keys());

const fleetOf = (
  sleds: FakeSled[],
  database: { generation: Generation; digest: string } = { ...wanted, digest },
) => {
  const clock = systemClock;
  const memory = createFleetMemory({ clock, rng: seededRng(1) });
  const requests = createRequestLog({ clock, log: silentLogger });
  const limits = { answerTimeoutMs: 600_000, stragglerGraceMs: 20 };
  const deps = { connection: fakeConnection(sleds), memory, requests, clock, limits };
  const stop = new AbortController();
  const errors: object[] = [];
  const log = { ...silentLogger, error: (fields: object) => void errors.push(fields) } as Logger;
  const answers = async () => {
    const collected = await collect(
      { ...deps, currentGeneration: async () => database },
      { wanted, digest, sleds: sleds.map(sled => sled.target) },
      { log, signal: stop.signal },
    );
    return collected.map(({ answer }) => answer);
  };
  return { answers, memory, requests, errors, stop };
};

const answering = async (fault: FakeSled['fault'], database?: { generation: Generation; digest: string }) => {
  const sled = fakeSled(1);
  sled.files.set(hashOf(1), contentOf(1));
  sled.fault = fault;
  const fleet = fleetOf([sled], database);
  const [answer] = await fleet.answers();
  return { answer: answer!, ...fleet, sled };
};

const refuse = async () => {
  throw new DepotError('CONFIG_GENERATION', 'at generation 5: differs');
};

test('an honest sled is listed with what it holds of the wanted set', async () => {
  const { answer } = await answering({});
  expect(answer).toMatchObject({ kind: 'ok', datasets: 2, held: new Map([[hashOf(1), 2]]) });
});

test('G8, S11: more copies than datasets and unwanted hashes are not counted, a bogus hash is skipped with an error log', async () => {
  const { answer, errors, sled } = await answering({
    list: async honest => ({ ...honest, list: { [hashOf(1)]: 1_000_000, [hashOf(7)]: 2, nonsense: 1 } }),
  });
  expect(answer).toMatchObject({ held: new Map([[hashOf(1), 2]]) });
  expect(errors).toEqual([{ sled_id: sled.target.id, hash: 'nonsense' }]);
});

test('S16, P8: what a sled has whose datasets are all full, or read-only, counts as held', async () => {
  const { answer } = await answering({
    list: async honest => ({ ...honest, list: { [hashOf(1)]: 2 }, datasets: 0 }),
  });
  expect(answer).toMatchObject({ kind: 'ok', held: new Map([[hashOf(1), 1]]), datasets: 0 });
});

test('G8: a sled that lists an older generation than it was just given answers nonsense', async () => {
  const { answer } = await answering({ list: async honest => ({ ...honest, generation: generation(3) }) });
  expect(answer).toMatchObject({ kind: 'bad_answer', code: 'PEER_BAD_ANSWER' });
  expect(answer.kind === 'bad_answer' && answer.message).toContain('generation 3 after it was given 5');
});

test('G8: a sled that refuses the very config that it lists answers nonsense, and is not asked again at once', async () => {
  const liar = fakeSled(1);
  liar.config = wanted;
  liar.fault.putConfig = refuse;
  const { answers, memory } = fleetOf([liar]);
  expect(await answers()).toMatchObject([{ kind: 'bad_answer', code: 'PEER_BAD_ANSWER' }]);
  expect(memory.nextSledAttemptMs()).toBeDefined();
});

test('P7: a sled that refuses its own generation and does not say what it holds has diverged', async () => {
  const sled = fakeSled(1);
  sled.config = { ...wanted, artifacts: new Map([[hashOf(9), 1000]]) };
  sled.fault.putConfig = refuse;
  sled.fault.list = async ({ config_digest: _, ...rest }) => rest;
  expect((await fleetOf([sled]).answers())[0]).toMatchObject({ kind: 'diverged', code: 'SLED_DIVERGED' });
});

test('P7: a sled at another content is only ahead when the database has moved on since the config was read', async () => {
  const sled = fakeSled(1);
  sled.config = { ...wanted, artifacts: new Map([[hashOf(9), 1000]]) };
  const later = { generation: generation(6), digest: digestOf([hashOf(9)]) };
  expect((await fleetOf([sled], later).answers())[0]).toMatchObject({ kind: 'ahead' });
});

test('CO2: once half of the sleds have answered, one that never does costs the round a bounded wait', async () => {
  const sleds = [fakeSled(1), fakeSled(2), fakeSled(3)];
  sleds[2]!.fault.putConfig = never;
  const { answers } = fleetOf(sleds);
  expect((await answers()).map(answer => answer.kind)).toEqual(['ok', 'ok', 'unreachable']);
});

test('B8: a silent sled is not asked before its back-off ends, and says since when', async () => {
  const sled = fakeSled(1);
  sled.fault.putConfig = unreachable;
  const fleet = fleetOf([sled]);
  const [first] = await fleet.answers();
  sled.fault = {};
  const [second] = await fleet.answers();
  expect(second).toEqual(first);
  expect(fleet.requests.lifetime()).toMatchObject({ put_config_err: 1, list_ok: 0 });
  fleet.memory.sledAnswered(sled.target.id);
  expect((await fleet.answers())[0]!.kind).toBe('ok');
});

test('S15: a stop ends the wait for sleds with the reason of the stop, and blames none of them', async () => {
  const sled = fakeSled(1);
  sled.fault.putConfig = never;
  const { answers, stop } = fleetOf([sled]);
  const round = answers();
  stop.abort(new DepotError('SHUTTING_DOWN', 'stopping'));
  await expect(round).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
});
