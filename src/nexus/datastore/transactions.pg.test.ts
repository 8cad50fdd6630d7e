/** What a transaction makes of a database that aborts it, goes away, or does not say whether it committed. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asGeneration, InvitationId, NexusId, SledId, TrustRootId } from '../../core/ids.ts';
import { seededRng } from '../../core/rng.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import {
  hashOf,
  insertTrustRoot,
  newId,
  originBy,
  plannedBy,
  registration,
  uploadOf,
  version,
  wait,
} from './conformance/records.fixture.ts';
import { TRANSACTION_LIMITS } from './connection.ts';
import { type Cut, createCuttingProxy } from './cutting-proxy.fixture.ts';
import { createTestDatabase, type TestDatabase } from './database.fixture.ts';
import type { Datastore } from './datastore.ts';
import { createPgDatastore } from './pg-datastore.ts';

/** Statements of its own show and end what others do. */
const NEEDS_POSTGRES = 'pg_stat_activity is of PostgreSQL';

const openThroughProxy = async (
  database: TestDatabase,
  options: { silenceLimitMs?: number; clock?: Clock } = {},
) => {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(await createCuttingProxy(database.connection));
  const datastore = stack.use(
    await createPgDatastore({
      connection: proxy.connection,
      log: silentLogger,
      clock: systemClock,
      rng: seededRng(7),
      ...options,
      ...wait,
    }),
  );
  const owned = stack.move();
  return { proxy, datastore, [Symbol.asyncDispose]: () => owned.disposeAsync() };
};

describe('a connection lost at COMMIT (P4)', () => {
  let database: TestDatabase;
  let direct: Datastore;
  let trustRoot: TrustRootId;
  beforeAll(async () => {
    database = await createTestDatabase();
    direct = await database.openDatastore();
    trustRoot = await insertTrustRoot(direct);
  });
  afterAll(() => database[Symbol.asyncDispose]());

  /** Runs a verb whose commit is cut as told; its outcome is that of an undisturbed one. */
  const cutDuring = async <T>(
    cuts: readonly Cut[],
    verb: (datastore: Datastore) => Promise<T>,
  ): Promise<T> => {
    await using opened = await openThroughProxy(database);
    opened.proxy.cutAtCommit(...cuts);
    const outcome = await verb(opened.datastore);
    expect(opened.proxy.cutCount()).toBe(cuts.length);
    return outcome;
  };

  test('an invitation that a machine used between two attempts was not ended', async () => {
    const sha256 = hashOf('a token');
    const invitation = { sha256, sledId: null, replacesSledId: null, serial: null, lifeMs: 60_000 };
    const { id } = await direct.invitationCreate({ ...invitation, id: newId(InvitationId) }, wait);
    const key = {
      publicKeySha256: hashOf('a key'),
      newSledId: newId(SledId),
      presentSledId: undefined,
      serial: undefined,
    };
    const sleep: Clock['sleep'] = async (ms, options) => {
      await direct.sledJoin({ ...key, sha256 }, wait);
      await systemClock.sleep(ms, options);
    };
    await using opened = await openThroughProxy(database, { clock: { ...systemClock, sleep } });
    opened.proxy.cutAtCommit('not_committed');
    expect(await opened.datastore.invitationEnd(id, wait)).toBe(false);
    expect(opened.proxy.cutCount()).toBe(1);
  });

  const cases: readonly (readonly [string, readonly Cut[]])[] = [
    ['after the server committed', ['committed']],
    ['before the server heard of it', ['not_committed']],
    ['again and again', ['not_committed', 'committed', 'committed']],
  ];
  describe.for(cases)('%s', ([name, cuts]) => {
    const text = (major: number) => version(`${major}.0.${cases.findIndex(([other]) => other === name)}`);

    test('records a release once, and says that it was inserted', async () => {
      const before = await direct.currentGeneration(wait);
      const release = uploadOf(trustRoot, text(1), [text(1)]);
      const outcome = await cutDuring(cuts, datastore => datastore.releaseInsert(release, wait));
      expect(outcome).toMatchObject({
        status: 'inserted',
        repo: { id: release.repoId },
        generation: before.generation + 1,
      });
      expect(await direct.localRepoList({ ...wait, nexusId: release.nexusId })).toHaveLength(1);
      expect((await direct.wantedSet(wait)).generation).toBe(before.generation + 1);
    });

    test('deletes a release, and does not report that it was absent', async () => {
      const { generation } = await direct.releaseInsert(uploadOf(trustRoot, text(2), [text(2)]), wait);
      const outcome = await cutDuring(cuts, datastore => datastore.repoPrune(text(2), wait));
      expect(outcome).toEqual({ generation: generation + 1 });
      expect(await direct.repoGetByVersion(text(2), wait)).toBeUndefined();
    });

    test('drops a local repo, and does not report that it was absent', async () => {
      const release = uploadOf(trustRoot, text(3), [text(3)]);
      await direct.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const drop = { uploadId, nexusId, planned: await plannedBy(direct, nexusId) };
      expect(await cutDuring(cuts, datastore => datastore.localRepoDrop(drop, wait))).toEqual({
        kind: 'dropped',
      });
      expect(await direct.localRepoList({ ...wait, nexusId })).toEqual([]);
    });

    test('sets the target release, and is not refused by its own row', async () => {
      const { repo } = await direct.releaseInsert(uploadOf(trustRoot, text(4), [text(4)]), wait);
      const { generation } = await direct.targetReleaseGet(wait);
      const set = { repoId: repo.id, expectedGeneration: generation };
      const outcome = await cutDuring(cuts, datastore => datastore.targetReleaseSet(set, wait));
      expect(outcome).toMatchObject({ generation: generation + 1, repo: { id: repo.id } });
      expect(await direct.targetReleaseGet(wait)).toEqual(outcome);
    });

    test('inserts and deletes a trust root', async () => {
      const root = { id: newId(TrustRootId), rootBytes: Buffer.from('{}') };
      expect(await cutDuring(cuts, datastore => datastore.trustRootInsert(root, wait))).toMatchObject({
        id: root.id,
      });
      expect(await cutDuring(cuts, datastore => datastore.trustRootDelete(root.id, wait))).toBe(true);
      expect(await direct.trustRootGet(root.id, wait)).toBeUndefined();
    });

    test('sets the policy of a sled, and adds one entry to the audit log (T6)', async () => {
      const id = newId(SledId);
      await direct.sledUpsert(id, registration(), wait);
      const { seq } = await direct.auditHead(wait);
      const options = { ...wait, audit: originBy() };
      const set = (datastore: Datastore) => datastore.sledSetPolicy(id, 'expunged', options);
      expect(await cutDuring(cuts, set)).toBe(true);
      expect((await direct.auditHead(wait)).seq).toBe(seq + 1);
    });

    test('registers a sled, and says that it is new', async () => {
      const id = newId(SledId);
      const outcome = await cutDuring(cuts, datastore => datastore.sledUpsert(id, registration(), wait));
      expect(outcome).toMatchObject({ changed: true, stale: false });
    });

    test('raises the generation', async () => {
      const { generation } = await direct.currentGeneration(wait);
      const to = asGeneration(generation + 10);
      const outcome = await cutDuring(cuts, datastore => datastore.generationRaise({ to }, wait));
      expect(outcome.generation).toBe(to);
    });

    test('raises it for one sled, and does not report that the sled had its turn', async () => {
      const { generation, digest } = await direct.currentGeneration(wait);
      const mend = { to: asGeneration(generation + 10), sledId: newId(SledId) };
      expect(await cutDuring(cuts, datastore => datastore.generationMend(mend, wait))).toEqual({
        generation: mend.to,
        digest,
      });
      expect(await direct.generationMend({ ...mend, to: asGeneration(mend.to + 1) }, wait)).toBeUndefined();
    });
  });

  test('is COMMIT_UNCERTAIN when the caller leaves before the database is back', async () => {
    await using opened = await openThroughProxy(database);
    const aborter = new AbortController();
    const release = uploadOf(trustRoot, '9.0.0', ['nine']);
    opened.proxy.cutAtCommit('committed_and_gone');
    const outcome = opened.datastore.releaseInsert(release, aborter);
    while (!opened.proxy.isRefusing()) await systemClock.sleep(1, wait);
    aborter.abort();
    await expect(outcome).rejects.toMatchObject({ code: 'COMMIT_UNCERTAIN' });
    expect(await direct.repoGetByVersion(version('9.0.0'), wait)).toMatchObject({ id: release.repoId });
  });
});

describe('a database that is down', () => {
  test('is DATABASE_UNAVAILABLE with its cause, and is used again when it is back', async () => {
    await using database = await createTestDatabase();
    await using opened = await openThroughProxy(database);
    const { proxy, datastore } = opened;
    await datastore.currentGeneration(wait);
    proxy.setRefusing(true);
    for (const call of [
      () => datastore.currentGeneration(wait),
      () => datastore.nexusHeartbeat({ id: newId(NexusId), operatorAddress: 'a', timeStartedMs: 0 }, wait),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        status: 503,
        retry: 'backoff',
        cause: expect.any(Error),
      });
    }
    proxy.setRefusing(false);
    expect((await datastore.currentGeneration(wait)).generation).toBe(1);
  });

  test('connections that died in the pool are replaced without an error', async ({ skip }) => {
    await using database = await createTestDatabase();
    skip(!database.isPostgres, NEEDS_POSTGRES);
    const datastore = await database.openDatastore();
    await Promise.all(Array.from({ length: 5 }, () => datastore.currentGeneration(wait)));
    await database.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    const answers = await Promise.all(Array.from({ length: 5 }, () => datastore.currentGeneration(wait)));
    expect(answers).toHaveLength(5);
  });

  test('cannot be opened, and says so', async () => {
    const connection = 'postgresql:///none?host=/nonexistent&user=nobody';
    const open = createPgDatastore({
      connection,
      log: silentLogger,
      clock: systemClock,
      rng: seededRng(1),
      ...wait,
    });
    await expect(open).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });
});

describe('a connection that goes silent', () => {
  /** Far more than a healthy answer takes on a busy machine. */
  const SILENCE_LIMIT_MS = 2_000;

  test('is given up, with its idle neighbours, and the call goes on over a new one', async () => {
    await using database = await createTestDatabase();
    await using opened = await openThroughProxy(database, { silenceLimitMs: SILENCE_LIMIT_MS });
    const { proxy, datastore } = opened;
    await Promise.all(Array.from({ length: 5 }, () => datastore.currentGeneration(wait)));
    proxy.silenceOpen();
    await datastore.currentGeneration(wait);
    // One of the five was waited for, not one after the other.
    expect(proxy.accepted()).toBe(6);
  });
});

describe('a row that another transaction has locked', () => {
  /** A connection of the test's own that holds the row of the generation. */
  const lockRow = async (database: TestDatabase, begin: string) => {
    const locker = new pg.Client({ connectionString: database.connection });
    locker.on('error', () => undefined);
    await locker.connect();
    await locker.query(`${begin}; SELECT generation FROM tuf_current_point FOR UPDATE`);
    return locker;
  };

  test('is a conflict after a while: the transaction runs again until the row is free', async () => {
    await using database = await createTestDatabase();
    const conflict = Promise.withResolvers<void>();
    const log = { ...silentLogger, debug: () => conflict.resolve(), child: () => silentLogger };
    await using datastore = await createPgDatastore({
      connection: database.connection,
      log,
      clock: systemClock,
      rng: seededRng(1),
      ...wait,
    });
    const trustRoot = await insertTrustRoot(datastore);
    const locker = await lockRow(database, 'BEGIN');
    const outcome = datastore.releaseInsert(uploadOf(trustRoot, '1.0.0', ['a']), wait);
    await conflict.promise;
    await locker.end();
    expect(await outcome).toMatchObject({ status: 'inserted' });
  });

  test('is free after seconds when the Nexus that locked it has frozen', async () => {
    await using database = await createTestDatabase();
    await using datastore = await database.openDatastore();
    const trustRoot = await insertTrustRoot(datastore);
    const frozen = await lockRow(database, `BEGIN; ${TRANSACTION_LIMITS}`);
    const outcome = await datastore.releaseInsert(uploadOf(trustRoot, '1.0.0', ['a']), wait);
    expect(outcome).toMatchObject({ status: 'inserted' });
    await expect(frozen.query('COMMIT')).rejects.toThrow();
    await frozen.end();
  });
});

describe('a call that is cancelled', () => {
  test('leaves a statement that waits for a lock, changes nothing, and spoils no connection', async ({
    skip,
  }) => {
    await using database = await createTestDatabase();
    skip(!database.isPostgres, NEEDS_POSTGRES);
    const datastore = await database.openDatastore();
    const trustRoot = await insertTrustRoot(datastore);
    const locker = new pg.Client({ connectionString: database.connection });
    await locker.connect();
    await locker.query('BEGIN; SELECT generation FROM tuf_current_point FOR UPDATE');
    const aborter = new AbortController();
    const outcome = datastore.releaseInsert(uploadOf(trustRoot, '1.0.0', ['a']), aborter);
    const waiting = async () =>
      (
        await database.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
      ).length > 0;
    while (!(await waiting())) await systemClock.sleep(5, wait);
    aborter.abort();
    await expect(outcome).rejects.toBe(aborter.signal.reason);
    await locker.end();
    expect(await datastore.repoGetByVersion(version('1.0.0'), wait)).toBeUndefined();
    await datastore.releaseInsert(uploadOf(trustRoot, '1.0.0', ['a']), wait);
  });

  test('waits for a COMMIT that was sent, and answers what came of it (TX2)', async () => {
    await using database = await createTestDatabase();
    await using opened = await openThroughProxy(database);
    const { proxy, datastore } = opened;
    const aborter = new AbortController();
    const root = { id: newId(TrustRootId), rootBytes: Buffer.from('{}') };
    proxy.cutAtCommit('held');
    const outcome = datastore.trustRootInsert(root, aborter);
    while (proxy.cutCount() === 0) await systemClock.sleep(1, wait);
    aborter.abort();
    proxy.releaseHeld();
    await expect(outcome).resolves.toMatchObject({ id: root.id });
  });

  test('does not begin when it was cancelled before', async () => {
    await using database = await createTestDatabase();
    const datastore = await database.openDatastore();
    const signal = AbortSignal.abort(new Error('not any more'));
    await expect(datastore.currentGeneration({ signal })).rejects.toThrow('not any more');
  });
});

describe('what the database holds', () => {
  test('an integer beyond 2^53 - 1 is an error that shows it, never a rounded number (P7)', async () => {
    await using database = await createTestDatabase();
    const datastore = await database.openDatastore();
    const setGeneration = (text: string) =>
      database.query('UPDATE tuf_current_point SET generation = $1', [text]);
    await setGeneration('9007199254740991');
    expect((await datastore.currentGeneration(wait)).generation).toBe(Number.MAX_SAFE_INTEGER);
    const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
    await expect(datastore.releaseInsert(release, wait)).rejects.toMatchObject({ code: 'DATABASE_CONTENT' });
    await setGeneration('9007199254740993');
    await expect(datastore.currentGeneration(wait)).rejects.toMatchObject({
      code: 'DATABASE_CONTENT',
      message: expect.stringContaining('9007199254740993'),
    });
  });

  test('tables changed by something else are an error until a recovery accepts them (B4)', async () => {
    await using database = await createTestDatabase();
    const datastore = await database.openDatastore();
    const trustRoot = await insertTrustRoot(datastore);
    await datastore.releaseInsert(uploadOf(trustRoot, '1.0.0', ['a']), wait);
    await database.query('UPDATE tuf_repo SET time_pruned = now()');
    for (const call of [
      () => datastore.wantedSet(wait),
      () => datastore.releaseInsert(uploadOf(trustRoot, '2.0.0', ['b']), wait),
      () => datastore.repoPrune(version('1.0.0'), wait),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'WANTED_SET_DIGEST', detail: { generation: 2 } });
    }
    await datastore.generationRaise({ to: asGeneration(3) }, wait);
    expect((await datastore.wantedSet(wait)).artifacts.has(hashOf('a'))).toBe(false);
  });

  test('datasets that another version wrote are absent until the sled registers again (G8)', async () => {
    await using database = await createTestDatabase();
    const datastore = await database.openDatastore();
    const id = newId(SledId);
    await datastore.sledUpsert(id, registration(), wait);
    await database.query(`UPDATE sled SET datasets = '[{"shape": "of another version"}]'`);
    const { items } = await datastore.sledList({ limit: 10 }, wait);
    expect(items).toMatchObject([{ id, info: { datasets: undefined } }]);
    expect(await datastore.sledUpsert(id, registration(), wait)).toMatchObject({ stale: false });
  });

  test('points that another version wrote are absent until the sled registers again (G8)', async () => {
    await using database = await createTestDatabase();
    const datastore = await database.openDatastore();
    const id = newId(SledId);
    const digest = hashOf('a');
    const head = { generation: asGeneration(1), digest, hasLineage: true, isKept: false };
    await datastore.sledUpsert(id, registration({ heads: [head] }), wait);
    await database.query(`UPDATE sled SET heads = '[{"shape": "of another version"}]'`);
    expect((await datastore.sledList({ limit: 10 }, wait)).items).toMatchObject([
      { id, info: { heads: undefined } },
    ]);
    await datastore.sledUpsert(id, registration({ heads: [head] }), wait);
    expect(await datastore.sledGet(id, wait)).toMatchObject({
      info: { heads: [{ generation: 1, digest, hasLineage: true }] },
    });
  });

  test('overrides are kept in the audit, a sentence each', async () => {
    await using database = await createTestDatabase();
    const datastore = await database.openDatastore();
    const overrides = ['timestamp.json expired', 'targets.json is older'];
    const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a'], { overrides });
    await datastore.releaseInsert(release, wait);
    await datastore.releaseInsert(release, wait);
    const rows = await database.query<{ sentence: string }>('SELECT * FROM override_audit ORDER BY position');
    expect(rows.map(({ sentence }) => sentence)).toEqual(overrides);
    expect(rows[0]).toMatchObject({ upload_id: release.uploadId, tuf_repo_id: release.repoId });
  });
});
