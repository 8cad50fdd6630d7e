import { expect, test } from 'vitest';
import { pointText, RepoId, SystemVersion } from '../../core/ids.ts';
import { seededRng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { createRequestLog } from '../history/request-log.ts';
import { collectSleds } from './collect.ts';
import {
  contentOf,
  digestOf,
  type FakeSled,
  fakeConnection,
  fakeSled,
  generation,
  hashOf,
  unreachable,
} from './fleet.fixture.ts';
import { createListingMemory } from './listing-memory.ts';
import type { RoundConfig } from './sled-draft.ts';
import { createFleetMemory } from './sled-memory.ts';

const roundOf = (at: number, ...numbers: number[]): RoundConfig => {
  const hashes = numbers.map(n => hashOf(n));
  const point = { generation: generation(at), digest: digestOf(hashes) };
  return {
    ...point,
    artifacts: new Map(hashes.map(hash => [hash, 1000])),
    releases: [],
    lineage: { first: generation(1), recorded: new Set([pointText(point)]) },
  };
};

const HOUR_MS = 3_600_000;

/** One sled with artifact 1; each call is a round, and resolves with what the sled was asked. */
const rounds = (sled: FakeSled = fakeSled(1)) => {
  let nowMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
  const connection = fakeConnection([sled]);
  const deps = {
    ...{ connection, clock, limits: { answerTimeoutMs: 60_000, stragglerGraceMs: 1_000 } },
    memory: createFleetMemory({ clock, rng: seededRng(1) }),
    listings: createListingMemory({ clock, rng: seededRng(2) }),
    requests: createRequestLog({ clock, log: silentLogger }),
    pushBundles: async () => ({ sent: 0 }),
  };
  const round = async (wanted = roundOf(5, 1)) => {
    const before = connection.log.length;
    const { lineage } = wanted;
    const [collected] = await collectSleds(
      { ...deps, pointsRecorded: async () => ({ current: wanted, lineage }) },
      { wanted, sleds: [sled.target] },
      { log: silentLogger, signal: new AbortController().signal },
    );
    const asked = connection.log.slice(before).map(each => each.replace(` ${sled.target.serial}`, ''));
    return { asked, collected: collected!, held: collected!.answer.kind === 'ok' && collected!.answer.held };
  };
  return {
    ...{ sled, round },
    /** Two rounds in which it lists the same. */
    async rest() {
      for (let n = 0; n < 2; n += 1) await round();
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
};

const ANEW = ['put_config', 'list'];
const ASKED = ['list unless tagged'];
const HELD = new Map([[hashOf(1), 2]]);

const holding = (): FakeSled => {
  const sled = fakeSled(1);
  sled.files.set(hashOf(1), contentOf(1));
  return sled;
};

test('a sled that has listed the same twice is asked only whether that has changed, and its listing counts as affirmed (LM3, LM4)', async () => {
  const { round } = rounds(holding());
  const first = await round();
  expect([first.asked, (await round()).asked]).toEqual([ANEW, ANEW]);
  const third = await round();
  expect(third).toMatchObject({ asked: ASKED, held: HELD });
  expect(third.collected.report).toMatchObject({ generation: 5 });
  expect((await round()).asked).toEqual(ASKED);
});

test('a sled that lists something else receives the config again, and its new listing counts', async () => {
  const { sled, rest, round } = rounds(holding());
  await rest();
  sled.files.clear();
  expect(await round()).toMatchObject({ asked: [...ASKED, ...ANEW], held: new Map() });
  expect((await round()).asked, 'it has to list the same twice again').toEqual(ANEW);
});

test('a listing of another point is not affirmed: a newer config is offered, and so is one with other releases (LM2)', async () => {
  const { rest, round, sled } = rounds(holding());
  await rest();
  expect((await round(roundOf(6, 1, 2))).asked).toEqual(ANEW);
  expect(sled.config?.generation).toBe(6);
  await round(roundOf(6, 1, 2));
  expect((await round(roundOf(6, 1, 2))).asked).toEqual(ASKED);
  const bundle = { sha256: 'b'.repeat(64), kind: 'signed', isExempted: false } as const;
  const release = {
    repoId: RepoId.parse('00000000-0000-4000-8000-000000000001'),
    systemVersion: SystemVersion.parse('1.0.0'),
    artifacts: new Set([hashOf(1)]),
    bundle,
  };
  const wanted = (isExempted: boolean) => ({
    ...roundOf(6, 1, 2),
    releases: [{ ...release, bundle: { ...bundle, isExempted } }],
  });
  expect((await round(wanted(false))).asked).toEqual(ANEW);
  await round(wanted(false));
  expect((await round(wanted(false))).asked).toEqual(ASKED);
  expect((await round(wanted(true))).asked).toEqual(ANEW);
});

test.each([
  ['holds deletions', { deletionsHeld: { reason: 'older', timeMs: 0 } }],
  ['lacks a bundle', { bundles: [{ sha256: 'b'.repeat(64), state: 'missing' as const }] }],
  ['has adopted no lineage', { hasLineage: false }],
])('a sled that %s is offered the config in each round (LM1)', async (_, told) => {
  const sled = holding();
  sled.fault.list = async honest => ({ ...honest, ...told });
  const { rest, round } = rounds(sled);
  await rest();
  expect((await round()).asked).toEqual(ANEW);
});

test('a sled that does not answer the question is unreachable in that round, as before', async () => {
  const { sled, rest, round } = rounds(holding());
  await rest();
  sled.fault.putConfig = unreachable;
  const { asked, collected } = await round();
  expect([asked, collected.answer.kind]).toEqual([ASKED, 'unreachable']);
});

test('a sled that answers the question with an error is offered the config in the same round', async () => {
  const { sled, rest, round } = rounds(holding());
  await rest();
  let failures = 1;
  sled.fault.list = async honest => {
    failures -= 1;
    if (failures === 0) throw new DepotError('NO_ARTIFACT_CONFIG', 'it was reset');
    return honest;
  };
  expect(await round()).toMatchObject({ asked: [...ASKED, ...ANEW], held: HELD });
});

test('after some hours a sled sends its list once more (LM5)', async () => {
  const { rest, round, pass } = rounds(holding());
  await rest();
  pass(HOUR_MS);
  expect((await round()).asked).toEqual(ASKED);
  pass(6 * HOUR_MS);
  expect((await round()).asked).toEqual(ANEW);
});
