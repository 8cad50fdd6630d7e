import { describe, expect, test } from 'vitest';
import { type Generation, type Point, pointText, RepoId, SystemVersion } from '../../core/ids.ts';
import type { Wanted } from '../../core/inventory.ts';
import type { RecordedPoints } from '../../core/lineage.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
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
  never,
  pointOf,
  unreachable,
} from './fleet.fixture.ts';
import { createListingMemory } from './listing-memory.ts';
import { createBundlePusher } from './push-bundles.ts';
import type { RoundConfig } from './sled-draft.ts';
import { createFleetMemory } from './sled-memory.ts';

/** Bundles of the database. */
const stored = new Map<string, Uint8Array>();
const artifacts = new Map([1, 2].map(n => [hashOf(n), 1000]));
const digest = digestOf(artifacts.keys());
const wanted: Wanted & Point = { generation: generation(5), digest, artifacts, releases: [] };

/** A database at this point, which recorded these others too. */
type Database = Point & { readonly recorded?: readonly Point[]; readonly first?: Generation };
const lineageOf = ({ recorded = [], first = generation(1), ...current }: Database): RecordedPoints => ({
  first,
  recorded: new Set([current, ...recorded].map(pointText)),
});

/**
 * @param database as it is when the claims of the sleds are looked up
 * @param read as it was when the round read its config
 */
const fleetOf = (
  sleds: FakeSled[],
  database: Database = wanted,
  read: Database = database,
  releases: RoundConfig['releases'] = [],
) => {
  const clock = systemClock;
  const memory = createFleetMemory({ clock, rng: seededRng(1) });
  const requests = createRequestLog({ clock, log: silentLogger });
  const limits = { answerTimeoutMs: 600_000, stragglerGraceMs: 20 };
  const connection = fakeConnection(sleds);
  const bundles = createBundlePusher({
    clock,
    rng: seededRng(2),
    datastore: { bundleGet: async sha256 => stored.get(sha256) },
    connection,
  });
  const listings = createListingMemory({ clock, rng: seededRng(3) });
  const deps = { connection, memory, listings, requests, clock, limits, pushBundles: bundles.push };
  const stop = new AbortController();
  const errors: object[] = [];
  const log = { ...silentLogger, error: (fields: object) => void errors.push(fields) } as Logger;
  const { generation: now, digest: set } = database;
  const answers = async () => {
    const collected = await collectSleds(
      {
        ...deps,
        pointsRecorded: async () => ({
          current: { generation: now, digest: set },
          lineage: lineageOf(database),
        }),
      },
      { wanted: { ...wanted, releases, lineage: lineageOf(read) }, sleds: sleds.map(sled => sled.target) },
      { log, signal: stop.signal },
    );
    return collected.map(({ answer }) => answer);
  };
  return { answers, memory, requests, errors, stop, asked: connection.log };
};

const answering = async (fault: FakeSled['fault'], database?: Database) => {
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

test('more copies than datasets and unwanted hashes are not counted, a bogus hash is skipped with an error log (G8, S11)', async () => {
  const { answer, errors, sled } = await answering({
    list: async honest => ({
      ...honest,
      copies: new Map([
        [hashOf(1), 1_000_000],
        [hashOf(7), 2],
      ]),
      bogusHashes: ['nonsense'],
    }),
  });
  expect(answer).toMatchObject({ held: new Map([[hashOf(1), 2]]) });
  expect(errors).toEqual([{ sled_id: sled.target.id, hash: 'nonsense' }]);
});

test('what a sled has whose datasets are all full, or read-only, counts as held (S16, P8)', async () => {
  const { answer } = await answering({
    list: async honest => ({ ...honest, copies: new Map([[hashOf(1), 2]]), datasets: 0 }),
  });
  expect(answer).toMatchObject({ kind: 'ok', held: new Map([[hashOf(1), 1]]), datasets: 0 });
});

test('a sled that lists an older generation than it was just given answers nonsense (G8)', async () => {
  const { answer } = await answering({ list: async honest => ({ ...honest, generation: generation(3) }) });
  expect(answer).toMatchObject({ kind: 'bad_answer', code: 'PEER_BAD_ANSWER' });
  expect(answer.kind === 'bad_answer' && answer.error).toContain('generation 3 after it was given 5');
});

test('a sled that refuses the very config that it lists answers nonsense, and is not asked again at once (G8)', async () => {
  const liar = fakeSled(1);
  liar.config = { generation: wanted.generation, artifacts };
  liar.fault.putConfig = refuse;
  const { answers, memory } = fleetOf([liar]);
  expect(await answers()).toMatchObject([{ kind: 'bad_answer', code: 'PEER_BAD_ANSWER' }]);
  expect(memory.nextSledAttemptMs()).toBeDefined();
});

test('a sled that registered as one that compares points and names no digest answers nonsense (G8)', async () => {
  const { answer } = await answering({ list: async honest => ({ ...honest, digest: undefined }) });
  expect(answer).toMatchObject({ kind: 'bad_answer', code: 'PEER_BAD_ANSWER' });
});

const [older, other] = [
  { generation: generation(3), artifacts: new Map([[hashOf(9), 1000]]) },
  { generation: generation(5), artifacts: new Map([[hashOf(9), 1000]]) },
];

test('a sled behind at a point of the database is given the config again, as its successor, in the same round (P13)', async () => {
  const sled = fakeSled(1);
  sled.config = older;
  const database = { ...wanted, recorded: [pointOf(older)] };
  const fleet = fleetOf([sled], database);
  expect(await fleet.answers()).toMatchObject([{ kind: 'ok' }]);
  const itself = { generation: wanted.generation, digest };
  expect(sled.offers).toEqual([itself, expect.objectContaining(pointOf(older))]);
  sled.config = older;
  fleet.memory.claimed(sled.target.id, { ...pointOf(older), hasLineage: true });
  await fleet.answers();
  expect(sled.offers.slice(2), 'the next time it is known from the start').toMatchObject([pointOf(older)]);
});

test('a Nexus that has just started offers the config as the successor of the point that a sled registered, and of itself to one that registered none: it never says that a point is unknown before it has looked (CO5, C5)', async () => {
  const offersTo = async (head: FakeSled['config'], recorded: readonly Point[], isKept = false) => {
    const sled = fakeSled(1);
    const heads = [{ ...pointOf(head!), hasLineage: true, isKept }];
    Object.assign(sled, { config: older, target: { ...sled.target, heads } });
    await fleetOf([sled], { ...wanted, recorded }).answers();
    return sled.offers;
  };
  expect(await offersTo(older, [pointOf(older)])).toMatchObject([pointOf(older)]);
  expect(await offersTo(older, []), 'a restored database does not know it').toEqual(['unknown']);
  expect((await offersTo(other, [pointOf(older), pointOf(other)]))[0], 'not below this config').toMatchObject(
    pointOf(other),
  );
  const itself = { generation: wanted.generation, digest };
  const [first, second] = await offersTo(older, [pointOf(older)], true);
  expect([first, second], 'kept for a recovery').toEqual([itself, expect.objectContaining(pointOf(older))]);
});

test('a sled that refuses the config as the successor of its own point is no reason for a round at once: only a person changes it (C5)', async () => {
  const sled = fakeSled(1);
  sled.config = older;
  const held = pointOf(older);
  sled.fault.putConfig = async () => {
    throw new DepotError('CONFIG_GENERATION', 'no statement of an admin key accepts it', {
      detail: { reason: 'not_accepted', held: held.generation, held_digest: held.digest, held_lineage: true },
    });
  };
  const fleet = fleetOf([sled], { ...wanted, recorded: [held] });
  expect(await fleet.answers()).toMatchObject([
    { kind: 'ahead', claim: held, refusesSuccessor: true, needsAcceptance: true },
  ]);
});

test('a sled at a point that the database does not know has diverged, whatever its number, and is offered no succession (P13, P7, B5)', async () => {
  for (const config of [older, other, { ...other, generation: generation(9) }]) {
    const sled = fakeSled(1);
    sled.config = config;
    const fleet = fleetOf([sled]);
    const [answer] = await fleet.answers();
    expect(answer).toMatchObject({ kind: 'diverged', claim: pointOf(config), takesConfigs: true });
    expect(sled.offers).toEqual([{ generation: wanted.generation, digest }]);
    expect(sled.config, 'nothing was taken from it').toBe(config);
    await fleet.answers();
    expect(sled.offers.slice(1), 'so that it holds its deletions until a person decides').toEqual([
      'unknown',
    ]);
  }
});

test('what Nexus remembers of a sled makes no successor once the database has lost that point (P13)', async () => {
  const sled = fakeSled(1);
  sled.config = older;
  const before = { ...wanted, recorded: [pointOf(older)] };
  const fleet = fleetOf([sled], wanted, wanted); // after a failover
  fleet.memory.claimed(sled.target.id, { ...pointOf(older), hasLineage: true });
  expect(await fleet.answers()).toMatchObject([{ kind: 'diverged' }]);
  expect(sled.offers).toEqual(['unknown']);
  expect(lineageOf(before).recorded.has(pointText(pointOf(older)))).toBe(true);
});

test('unknown is said of the point that this Nexus remembers, by name: the sled may have another one from another Nexus by now (CO5, C5)', async () => {
  const sled = fakeSled(1);
  sled.config = older;
  const lost = { generation: generation(2), digest: digestOf([hashOf(8)]) };
  const fleet = fleetOf([sled], { ...wanted, recorded: [pointOf(older)] });
  fleet.memory.claimed(sled.target.id, { ...lost, hasLineage: true });
  expect(await fleet.answers()).toMatchObject([{ kind: 'ok' }]);
  expect(sled.offers).toMatchObject(['unknown', pointOf(older)]);
  expect(sled.calledUnknown).toMatchObject([lost]);
});

test('a sled at another point is only ahead when the database has moved on since the config was read (P7)', async () => {
  const sled = fakeSled(1);
  sled.config = other;
  const later = {
    generation: generation(6),
    digest: digestOf([hashOf(7)]),
    recorded: [pointOf(other), wanted],
  };
  expect((await fleetOf([sled], later).answers())[0]).toMatchObject({ kind: 'ahead' });
  expect(sled.offers, 'an old config is not pressed on it').toEqual([
    { generation: wanted.generation, digest },
  ]);
});

test('a point of before lineage is known below the first that was recorded, and the current number proves nothing (P13)', async () => {
  const kinds = async (config: FakeSled['config'], hasLineage: boolean) => {
    const sled = fakeSled(1);
    Object.assign(sled, { config, hasLineage });
    const [answer] = await fleetOf([sled], { ...wanted, first: generation(4) }).answers();
    return answer!.kind;
  };
  expect(await kinds(older, false)).toBe('ok');
  expect(await kinds(older, true)).toBe('diverged');
  expect(await kinds({ ...other, generation: generation(4) }, false)).toBe('diverged');
});

test('a sled that does not compare points is given a config only if the database knows the one that it has (P13)', async () => {
  const without = (config: FakeSled['config']) => {
    const sled = fakeSled(1);
    Object.assign(sled, { config, hasLineage: false, target: { ...sled.target, heads: null } });
    return sled;
  };
  const lost = without(older);
  expect(await fleetOf([lost]).answers()).toMatchObject([{ kind: 'diverged' }]);
  expect(lost.offers, 'it would have gone by the number').toEqual([]);

  const known = without(older);
  const fleet = fleetOf([known], { ...wanted, recorded: [pointOf(older)] });
  expect(await fleet.answers()).toMatchObject([{ kind: 'ok' }]);
  expect(known.offers).toEqual([undefined]);
  const fresh = without(undefined);
  expect(await fleetOf([fresh]).answers()).toMatchObject([{ kind: 'ok' }]);
});

test('a sled that does not compare points counts only with the round’s config before and after its list (P13, G4)', async () => {
  const sled = fakeSled(1);
  Object.assign(sled, { hasLineage: false, target: { ...sled.target, heads: null } });
  sled.fault.list = async honest => {
    sled.config = other; // another control plane came in between
    return honest;
  };
  expect(await fleetOf([sled]).answers()).toMatchObject([{ kind: 'bad_answer' }]);
});

test('once half of the sleds have answered, one that never does costs the round a bounded wait (CO2)', async () => {
  const sleds = [fakeSled(1), fakeSled(2), fakeSled(3)];
  sleds[2]!.fault.putConfig = never;
  const { answers } = fleetOf(sleds);
  let kinds: readonly string[] = [];
  void answers().then(collected => {
    kinds = collected.map(({ kind }) => kind);
  });
  await expect.poll(() => kinds).toEqual(['ok', 'ok', 'unreachable']);
});

test('a silent sled is not asked before its back-off ends, and says since when (B8)', async () => {
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

test('a stop ends the wait for sleds with the reason of the stop, and blames none of them (S15)', async () => {
  const sled = fakeSled(1);
  sled.fault.putConfig = never;
  const { answers, stop } = fleetOf([sled]);
  const round = answers();
  stop.abort(new DepotError('SHUTTING_DOWN', 'stopping'));
  await expect(round).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
});

describe('bundles', () => {
  const bundle = 'b'.repeat(64);
  const other = 'c'.repeat(64);
  const release = {
    repoId: RepoId.parse('00000002-0000-4000-8000-000000000001'),
    systemVersion: SystemVersion.parse('1.0.0'),
    artifacts: new Set([hashOf(1), hashOf(2)]),
    bundle: { sha256: bundle, kind: 'partly' as const, isExempted: false },
  };
  /** A sled that stores an artifact only when it has the bundle of the release. */
  const judgingSled = (n: number): FakeSled => {
    const sled = fakeSled(n);
    sled.files.set(hashOf(1), contentOf(1));
    sled.fault.list = async honest => {
      const isThere = sled.bundles.has(bundle);
      return {
        ...honest,
        requiresSigned: true,
        bundles: [{ sha256: bundle, state: isThere ? ('admitted' as const) : ('missing' as const) }],
        // One that lies counts what it withholds.
        withheld: new Set(isThere ? [] : artifacts.keys()),
      };
    };
    return sled;
  };
  const fleet = (sleds: FakeSled[], bytes: Uint8Array | null = Buffer.from('a bundle')) => {
    stored.clear();
    if (bytes !== null) stored.set(bundle, bytes);
    return fleetOf(sleds, wanted, wanted, [release]);
  };

  test('a sled that lacks one receives it, and its second list counts', async () => {
    const sled = judgingSled(1);
    const { answers, asked } = fleet([sled]);
    const [answer] = await answers();
    expect(asked).toEqual(['put_config sled-1', 'list sled-1', 'put_bundle bbbb sled-1', 'list sled-1']);
    expect(answer).toMatchObject({ kind: 'ok', held: new Map([[hashOf(1), 2]]), withheld: new Set() });
    expect(sled.config?.releases).toEqual([{ systemVersion: '1.0.0', bundle, isExempt: false }]);
  });

  test('what a sled withholds does not count as held, whatever it lists (G4)', async () => {
    const sled = judgingSled(1);
    sled.fault.putBundle = unreachable;
    const { answers, asked } = fleet([sled]);
    const [answer] = await answers();
    expect(asked).toEqual(['put_config sled-1', 'list sled-1', 'put_bundle bbbb sled-1']);
    expect(answer).toMatchObject({ kind: 'ok', held: new Map(), withheld: new Set(artifacts.keys()) });
  });

  test('one that the database has no longer is not sent, and none that was not offered (PBU1)', async () => {
    const sled = judgingSled(1);
    const { answers, asked } = fleet([sled], null);
    expect((await answers())[0]).toMatchObject({ kind: 'ok' });
    expect(asked).toEqual(['put_config sled-1', 'list sled-1']);
    const asking = judgingSled(2);
    const honest = asking.fault.list!;
    asking.fault.list = async report => ({
      ...(await honest(report)),
      bundles: [{ sha256: other, state: 'missing' }],
    });
    const next = fleet([asking]);
    stored.set(other, Buffer.from('of nobody'));
    await next.answers();
    expect(next.asked).toEqual(['put_config sled-2', 'list sled-2']);
  });

  test('one sled that takes none costs itself only (PBU2)', async () => {
    const [bad, good] = [judgingSled(1), judgingSled(2)];
    bad.fault.putBundle = never;
    const { answers } = fleet([bad, good]);
    const [first, second] = await answers();
    expect(first).toMatchObject({ kind: 'ok', held: new Map(), withheld: new Set(artifacts.keys()) });
    expect(second).toMatchObject({ kind: 'ok', withheld: new Set() });
  });
});
