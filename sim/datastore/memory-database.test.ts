/** A database in memory that fails, is slow, or is restored, as a test orders; the verbs have their own test. */
import { describe, expect, test } from 'vitest';
import {
  asGeneration,
  InvitationId,
  NexusId,
  pointText,
  RoundNonce,
  SledId,
  type TrustRootId,
} from '../../src/core/ids.ts';
import { seededRng } from '../../src/core/rng.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import {
  insertTrustRoot,
  neverAborted,
  newId,
  plannedBy,
  registration,
  uploadOf,
  version,
  wait,
} from '../../src/nexus/datastore/conformance/records.fixture.ts';
import type { AttemptFate, AttemptResult } from './attempt.ts';
import { createMemoryDatabase } from './memory-database.ts';

/** A clock that only the test advances. */
const manualClock = () => {
  let now = 0;
  const sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => now,
    monotonicMs: () => now,
    sleep: (ms, { signal }) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        sleepers.push({ at: now + ms, wake: resolve });
      }),
    timeout: () => neverAborted,
  };
  const settled = () => new Promise(resolve => setImmediate(resolve));
  return {
    clock,
    async advance(ms: number) {
      await settled();
      now += ms;
      for (const { at, wake } of sleepers) if (at <= now) wake();
      await settled();
    },
  };
};

/** Waits take no time. */
const instantClock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  sleep: async (_ms, { signal }) => signal.throwIfAborted(),
  timeout: () => neverAborted,
};

/** A database with a trust root, a datastore that is never disturbed, and how to open one that is. */
const openDatabase = async (clock: Clock = instantClock) => {
  const database = createMemoryDatabase({ nowMs: clock.nowMs });
  const common = { clock, rng: seededRng(1), log: silentLogger };
  const direct = database.openDatastore(common);
  const trustRoot = await insertTrustRoot(direct);
  /** One whose first attempts have these fates, and whose later ones succeed. */
  const openFailing = (fates: readonly (AttemptResult | AttemptFate)[]) => {
    const left = [...fates];
    const asked: string[] = [];
    const datastore = database.openDatastore({
      ...common,
      attempts: ({ verb }) => {
        asked.push(verb);
        const fate = left.shift() ?? 'done';
        return typeof fate === 'string' ? { result: fate } : fate;
      },
    });
    return { datastore, asked };
  };
  return { database, direct, trustRoot, openFailing };
};

type Opened = Awaited<ReturnType<typeof openDatabase>>;
const insert = async ({ direct, trustRoot }: Opened, text: string) => {
  const release = uploadOf(trustRoot, text, [text]);
  return { release, ...(await direct.releaseInsert(release, wait)) };
};

const uncertain: readonly (readonly AttemptResult[])[] = [
  ['uncertain_committed'],
  ['uncertain_lost'],
  ['uncertain_lost', 'conflict', 'uncertain_committed', 'unreachable', 'uncertain_committed'],
];
describe.for(uncertain)('attempts that end in %s, %s, %s, %s, %s (P4)', ([...fates]) => {
  test('record a release once, and say that it was inserted', async () => {
    const opened = await openDatabase();
    const release = uploadOf(opened.trustRoot, '1.0.0', ['a']);
    const { datastore, asked } = opened.openFailing(fates);
    expect(await datastore.releaseInsert(release, wait)).toMatchObject({ status: 'inserted', generation: 2 });
    expect(asked).toHaveLength(fates.length + 1);
    expect(await opened.direct.localRepoList(wait)).toHaveLength(1);
    expect((await opened.direct.wantedSet(wait)).generation).toBe(2);
  });

  test('delete, drop, set, register, raise, mend and begin a round as if they had been certain', async () => {
    const opened = await openDatabase();
    const [gone, held, target] = [
      await insert(opened, '1.0.0'),
      await insert(opened, '2.0.0'),
      await insert(opened, '3.0.0'),
    ];
    const failing = () => opened.openFailing(fates).datastore;
    expect(await failing().repoPrune(gone.repo.systemVersion, wait)).toEqual({ generation: 5 });
    const { uploadId, nexusId } = held.release;
    const drop = { uploadId, nexusId, planned: await plannedBy(opened.direct, nexusId) };
    expect(await failing().localRepoDrop(drop, wait)).toEqual({ kind: 'dropped' });
    const set = { repoId: target.repo.id, expectedGeneration: 1 };
    expect(await failing().targetReleaseSet(set, wait)).toMatchObject({ generation: 2 });
    const registered = await failing().sledUpsert(newId(SledId), registration(), wait);
    const floor = await opened.direct.currentGeneration(wait);
    expect(floor.generation).toBe(5);
    const lineage = { first: 1, recorded: new Set() };
    expect(registered).toEqual({ changed: true, stale: false, floor, lineage });
    expect((await failing().generationRaise({ to: asGeneration(9) }, wait)).generation).toBe(9);
    const mend = { to: asGeneration(12), sledId: newId(SledId) };
    expect(await failing().generationMend(mend, wait)).toEqual({ ...floor, generation: 12 });
    expect(await failing().nexusBeginRound(nexusId, newId(RoundNonce), wait)).toBe(true);
    expect(await failing().trustRootDelete(opened.trustRoot, wait)).toBe(true);
  });
});

test('an invitation that a machine used between two attempts was not ended (P4)', async () => {
  let meanwhile = async (): Promise<unknown> => undefined;
  const opened = await openDatabase({ ...instantClock, sleep: async () => void (await meanwhile()) });
  for (const isUsed of [false, true]) {
    const invitation = {
      sha256: `token ${isUsed}`,
      sledId: null,
      replacesSledId: null,
      serial: null,
      lifeMs: 60_000,
    };
    const { id } = await opened.direct.invitationCreate({ ...invitation, id: newId(InvitationId) }, wait);
    const join = {
      newSledId: newId(SledId),
      publicKeySha256: 'a key',
      presentSledId: undefined,
      serial: undefined,
    };
    meanwhile = async () => isUsed && opened.direct.sledJoin({ ...join, sha256: invitation.sha256 }, wait);
    const { datastore } = opened.openFailing([isUsed ? 'uncertain_lost' : 'uncertain_committed']);
    expect(await datastore.invitationEnd(id, wait)).toBe(!isUsed);
  }
});

describe('attempts that fail', () => {
  test('conflicts are tried again, up to a bound', async () => {
    const { openFailing } = await openDatabase();
    const few = openFailing(Array.from({ length: 60 }, () => 'conflict' as const));
    expect((await few.datastore.currentGeneration(wait)).generation).toBe(1);
    const many = openFailing(Array.from({ length: 61 }, () => 'conflict' as const));
    await expect(many.datastore.currentGeneration(wait)).rejects.toMatchObject({
      code: 'DATABASE_CONTENTION',
    });
  });

  test('a lost connection is replaced, a database that cannot be reached is DATABASE_UNAVAILABLE', async () => {
    const opened = await openDatabase();
    const release = uploadOf(opened.trustRoot, '1.0.0', ['a']);
    for (const fates of [['lost', 'lost', 'lost'], ['unreachable']] as const) {
      const { datastore } = opened.openFailing(fates);
      await expect(datastore.releaseInsert(release, wait)).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
      });
    }
    expect((await opened.direct.currentGeneration(wait)).generation).toBe(1);
    const { datastore } = opened.openFailing(['lost', 'lost']);
    expect(await datastore.releaseInsert(release, wait)).toMatchObject({ status: 'inserted' });
  });

  test('a transaction that only reads leaves nothing uncertain', async () => {
    const { openFailing } = await openDatabase();
    const some = openFailing(['uncertain_committed', 'uncertain_lost']);
    expect((await some.datastore.currentGeneration(wait)).generation).toBe(1);
    const more = openFailing(['uncertain_committed', 'uncertain_lost', 'uncertain_committed']);
    await expect(more.datastore.currentGeneration(wait)).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
  });

  test('a verdict of the work is final, whatever the commit would have given', async () => {
    const { openFailing } = await openDatabase();
    const { datastore, asked } = openFailing(['uncertain_committed']);
    await expect(datastore.repoPrune(version('1.0.0'), wait)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(asked).toEqual(['repo_prune']);
  });
});

describe('a slow database', () => {
  const slow = (fate: Partial<AttemptFate>): AttemptFate => ({ result: 'done', ...fate });

  test('runs the work on the state as it is after the delay (MA1, P1)', async () => {
    const time = manualClock();
    const opened = await openDatabase(time.clock);
    const { release } = await insert(opened, '1.0.0');
    const { uploadId, nexusId } = release;
    const planned = await plannedBy(opened.direct, nexusId);
    const { datastore } = opened.openFailing([slow({ delayBeforeMs: 100 })]);
    const drop = datastore.localRepoDrop({ uploadId, nexusId, planned }, wait);
    await time.advance(99);
    await insert(opened, '2.0.0');
    await time.advance(1);
    expect(await drop).toMatchObject({ kind: 'kept' });
  });

  test('a call that is cancelled before the work changes nothing (MA2)', async () => {
    const time = manualClock();
    const opened = await openDatabase(time.clock);
    const before = opened.database.snapshot();
    const { datastore } = opened.openFailing([slow({ delayBeforeMs: 100 })]);
    const aborter = new AbortController();
    const outcome = datastore.releaseInsert(uploadOf(opened.trustRoot, '1.0.0', ['a']), aborter);
    await time.advance(50);
    aborter.abort(new Error('not any more'));
    await expect(outcome).rejects.toThrow('not any more');
    await time.advance(1_000);
    expect(opened.database.snapshot()).toBe(before);
  });

  test('a call that is cancelled after the work is waited for, and answers what came of it (MA2, TX2)', async () => {
    const time = manualClock();
    const opened = await openDatabase(time.clock);
    const { datastore } = opened.openFailing([slow({ delayAfterMs: 100 })]);
    const aborter = new AbortController();
    const outcome = datastore.releaseInsert(uploadOf(opened.trustRoot, '1.0.0', ['a']), aborter);
    await time.advance(50);
    expect((await opened.direct.currentGeneration(wait)).generation).toBe(2);
    aborter.abort();
    await time.advance(50);
    await expect(outcome).resolves.toMatchObject({ status: 'inserted' });
  });

  test.for([
    ['uncertain_committed', 2],
    ['uncertain_lost', 1],
  ] as const)(
    'a caller who leaves after %s learns that the outcome is uncertain (P4)',
    async ([fate, generation]) => {
      const time = manualClock();
      const opened = await openDatabase(time.clock);
      const { datastore } = opened.openFailing([fate]);
      const aborter = new AbortController();
      const outcome = datastore.releaseInsert(uploadOf(opened.trustRoot, '1.0.0', ['a']), aborter);
      await time.advance(0);
      aborter.abort();
      await expect(outcome).rejects.toMatchObject({ code: 'COMMIT_UNCERTAIN' });
      expect((await opened.direct.currentGeneration(wait)).generation).toBe(generation);
    },
  );

  test('heartbeats are timed by the clock of the database, and never come from the future (P8)', async () => {
    let now = 5_000;
    const database = createMemoryDatabase({ nowMs: () => now });
    const datastore = database.openDatastore({
      clock: instantClock,
      rng: seededRng(1),
      log: silentLogger,
    });
    const nexus = { id: newId(NexusId), operatorAddress: 'a', timeStartedMs: 9 };
    await datastore.nexusHeartbeat(nexus, wait);
    now = 5_700;
    expect(await datastore.nexusList(wait)).toMatchObject([{ timeHeartbeatMs: 5_000, heartbeatAgeMs: 700 }]);
    now = 1_000;
    expect(await datastore.nexusList(wait)).toMatchObject([{ heartbeatAgeMs: 0 }]);
  });
});

describe('the state', () => {
  const changeEverything = async (opened: Opened, trustRoot: TrustRootId) => {
    const { direct } = opened;
    const sled = newId(SledId);
    await direct.sledUpsert(sled, registration(), wait);
    await direct.sledSetPolicy(sled, 'expunged', wait);
    await direct.nexusHeartbeat({ id: newId(NexusId), operatorAddress: 'a', timeStartedMs: 0 }, wait);
    const moved = {
      roots: [{ version: 2, rootBytes: Buffer.from('2') }],
      trustedVersions: { root: 2, timestamp: 1, snapshot: 1, targets: 1 },
      forgetsVersions: false,
    };
    await direct.trustRootAdvance(trustRoot, moved, wait);
    const { release, repo } = await insert(opened, `${opened.database.snapshot().releases.size + 1}.0.0`);
    const { generation } = await direct.targetReleaseGet(wait);
    await direct.targetReleaseSet({ repoId: repo.id, expectedGeneration: generation }, wait);
    await direct.localRepoForget(release.uploadId, release.nexusId, wait);
  };

  test('a snapshot stays as it was, whatever is done afterwards (MS1)', async () => {
    const opened = await openDatabase();
    await changeEverything(opened, opened.trustRoot);
    const snapshot = opened.database.snapshot();
    const copy = structuredClone(snapshot);
    await changeEverything(opened, opened.trustRoot);
    await opened.direct.repoPrune(version('1.0.0'), wait);
    expect(structuredClone(snapshot)).toEqual(copy);
    expect(structuredClone(opened.database.snapshot())).not.toEqual(copy);
  });

  test('a restored database has its earlier content on every connection (B5)', async () => {
    const opened = await openDatabase();
    await insert(opened, '1.0.0');
    const yesterday = opened.database.snapshot();
    const then = await opened.direct.wantedSet(wait);
    await opened.direct.repoPrune(version('1.0.0'), wait);
    await insert(opened, '2.0.0');
    opened.database.restore(yesterday);
    expect(await opened.direct.wantedSet(wait)).toEqual(then);
    expect(await opened.openFailing([]).datastore.repoGetByVersion(version('2.0.0'), wait)).toBeUndefined();
  });

  test('a restored database knows its earlier points, and not those that it lost (P13)', async () => {
    const opened = await openDatabase();
    await insert(opened, '1.0.0');
    const kept = await opened.direct.currentGeneration(wait);
    const yesterday = opened.database.snapshot();
    await insert(opened, '2.0.0');
    const lost = await opened.direct.currentGeneration(wait);
    opened.database.restore(yesterday);
    await insert(opened, '3.0.0');
    const current = await opened.direct.currentGeneration(wait);
    expect(current.generation).toBe(lost.generation);
    const claims = [kept, lost, current].map(point => ({ ...point, hasLineage: true }));
    const { lineage } = await opened.direct.pointsRecorded(claims, wait);
    expect(lineage.recorded).toEqual(new Set([kept, current].map(pointText)));
  });

  test('a round that a restored database does not know drops nothing, although the point is the same (P13)', async () => {
    const opened = await openDatabase();
    const { release } = await insert(opened, '1.0.0');
    const { uploadId, nexusId } = release;
    await plannedBy(opened.direct, nexusId);
    const yesterday = opened.database.snapshot();
    const planned = await plannedBy(opened.direct, nexusId);
    opened.database.restore(yesterday);
    expect(await opened.direct.localRepoDrop({ uploadId, nexusId, planned }, wait)).toMatchObject({
      kind: 'kept',
      because: 'round_lost',
    });
  });

  test('the wanted set is derived once, not for each question (MS2)', async () => {
    const opened = await openDatabase();
    await insert(opened, '1.0.0');
    const before = await opened.direct.wantedSet(wait);
    await opened.direct.sledUpsert(newId(SledId), registration(), wait);
    expect((await opened.direct.wantedSet(wait)).artifacts).toBe(before.artifacts);
    await insert(opened, '2.0.0');
    expect((await opened.direct.wantedSet(wait)).artifacts.size).toBe(2);
  });

  test('a state that was changed by something else is an error until a recovery accepts it (W1)', async () => {
    const opened = await openDatabase();
    await insert(opened, '1.0.0');
    opened.database.restore({ ...opened.database.snapshot(), releases: new Map() });
    await expect(opened.direct.wantedSet(wait)).rejects.toMatchObject({ code: 'WANTED_SET_DIGEST' });
    await opened.direct.generationRaise({ to: asGeneration(10) }, wait);
    expect((await opened.direct.wantedSet(wait)).artifacts.size).toBe(0);
  });
});
