import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asGeneration } from '../../core/ids.ts';
import { isKnownPoint } from '../../core/lineage.ts';
import { silentLogger } from '../../lib/log.ts';
import { createTestDatabase, type TestDatabase } from './database.fixture.ts';
import { type Migration, migrateDatabase, readMigrations, runMigration } from './migrate.ts';
import { describeSchema, runStatements } from './schema-description.fixture.ts';
import { SCHEMA_VERSION } from './schema-version.ts';

const { signal } = new AbortController();
/** The last schema version without points. */
const BEFORE_POINTS = 30;
const schemaFile = new URL('../../../schema/schema.sql', import.meta.url);

const insertSled = (database: TestDatabase, row: Record<string, unknown>) => {
  const columns = {
    ...{ sled_agent_address: '127.0.0.1:12345', role: 'gimlet', serial: 's', part: 'p', revision: 1 },
    ...{ usable_hardware_threads: 1, usable_physical_ram_bytes: 1, reservoir_size_bytes: 1 },
    ...{ cpu_family: 'unknown', registration_generation: 1, decommissioned: false, ...row },
  };
  const names = Object.keys(columns);
  const values = names.map((_, index) => `$${index + 1}`);
  return database.query(`INSERT INTO sled (${names}) VALUES (${values})`, Object.values(columns));
};

const migrate = (database: TestDatabase) =>
  migrateDatabase({ connection: database.connection, log: silentLogger, signal });

const apply = (database: TestDatabase, migration: Migration) => runMigration(database.query, migration);

describe('migrations', () => {
  let migrated: TestDatabase;
  beforeAll(async () => {
    migrated = await createTestDatabase();
  });
  afterAll(() => migrated[Symbol.asyncDispose]());

  test('all migrations together make the schema of schema.sql (S14)', async () => {
    await using whole = await createTestDatabase({ migrated: false });
    await runStatements(whole, await readFile(schemaFile, 'utf8'));
    expect(await describeSchema(migrated)).toEqual(await describeSchema(whole));
  });

  test('are numbered from 1 without a gap, up to the version that Nexus needs', async () => {
    const migrations = await readMigrations();
    expect(migrations.map(({ version }) => version)).toEqual(migrations.map((_, index) => index + 1));
    expect(migrations.at(-1)?.version).toBe(SCHEMA_VERSION);
  });

  test('are one statement each, which may run again and then changes nothing', async () => {
    await using twice = await createTestDatabase({ migrated: false });
    for (const migration of await readMigrations()) {
      const [, ...more] = migration.statement
        .replaceAll(/^--.*$/gm, '')
        .trim()
        .split(';')
        .slice(0, -1);
      expect(more).toEqual([]);
      await apply(twice, migration);
      await apply(twice, migration);
    }
    await twice.query('UPDATE schema_version SET version = $1', [SCHEMA_VERSION]);
    expect(await describeSchema(twice)).toEqual(await describeSchema(migrated));
  });

  test('run again after a crash between a statement and the writing of its number', async () => {
    await using database = await createTestDatabase();
    await database.query('UPDATE schema_version SET version = version - 3');
    expect(await migrate(database)).toEqual({ from: SCHEMA_VERSION - 3, to: SCHEMA_VERSION });
    expect(await describeSchema(database)).toEqual(await describeSchema(migrated));
  });

  test('bring a database on from a version that made the constraint of sled ports with its column', async () => {
    await using database = await createTestDatabase({ migrated: false });
    for (const migration of (await readMigrations()).slice(0, 29)) {
      const inOneStep = `ALTER TABLE sled ADD COLUMN IF NOT EXISTS repo_depot_port INT4 NOT NULL DEFAULT 12348
        CONSTRAINT sled_repo_depot_port_valid CHECK (repo_depot_port BETWEEN 1 AND 65535)`;
      await database.query(migration.version === 17 ? inOneStep : migration.statement);
    }
    await database.query('UPDATE schema_version SET version = 29');
    expect(await migrate(database)).toEqual({ from: 29, to: SCHEMA_VERSION });
    expect(await describeSchema(database)).toEqual(await describeSchema(migrated));
  });

  test('take turns when several run at once', async () => {
    await using database = await createTestDatabase({ migrated: false });
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => migrate(database)));
    expect(outcomes.map(({ to }) => to)).toEqual(Array(5).fill(SCHEMA_VERSION));
    expect(await describeSchema(database)).toEqual(await describeSchema(migrated));
  });

  test('give sleds from before the port the only one that they can listen on (S14)', async () => {
    await using database = await createTestDatabase({ migrated: false });
    for (const migration of await readMigrations()) {
      if (migration.version === 17) {
        await insertSled(database, { id: '11111111-1111-4111-8111-111111111111' });
      }
      await apply(database, migration);
    }
    expect(await database.query('SELECT repo_depot_port FROM sled')).toEqual([{ repo_depot_port: 12348 }]);
    for (const port of [0, 65_536]) {
      await expect(database.query('UPDATE sled SET repo_depot_port = $1', [port])).rejects.toThrow(
        'sled_repo_depot_port_valid',
      );
    }
  });
});

describe('a database from before revocations were recorded', () => {
  /** The last schema version that knew of no time of an expunge. */
  const BEFORE = 43;
  const [SLED, NEXUS] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];

  test('has one of each sled and Nexus that is expunged, from then on, and the same when a step runs again (RVD1)', async () => {
    await using database = await createTestDatabase({ migrated: false });
    const migrations = await readMigrations();
    for (const migration of migrations.slice(0, BEFORE)) await apply(database, migration);
    await insertSled(database, { id: SLED, policy: 'expunged', repo_depot_port: 1 });
    await insertSled(database, { id: NEXUS, repo_depot_port: 1 });
    await database.query(
      `INSERT INTO nexus (id, policy, operator_address, time_started) VALUES ($1, 'expunged', 'a', now()),
         ($2, 'in_service', 'b', now())`,
      [NEXUS, SLED],
    );
    const [{ now } = { now: undefined }] = await database.query<{ now: Date }>('SELECT now()');
    for (const migration of migrations.slice(BEFORE)) await apply(database, migration);
    const expunged = () =>
      database.query<{ id: string; time: Date }>(
        `SELECT id, time_expunged AS time FROM sled WHERE time_expunged IS NOT NULL
         UNION ALL SELECT id, time_expunged FROM nexus WHERE time_expunged IS NOT NULL ORDER BY id`,
      );
    const revoked = () =>
      database.query('SELECT kind, id, time_revoked AS time FROM identity_revocation ORDER BY id');
    const [sled, nexus, ...others] = await expunged();
    expect([sled?.id, nexus?.id, others]).toEqual([SLED, NEXUS, []]);
    for (const each of [sled, nexus]) expect(each?.time.getTime()).toBeGreaterThanOrEqual(now!.getTime());
    expect(await revoked()).toEqual([
      { kind: 'sled', ...sled },
      { kind: 'nexus', ...nexus },
    ]);
    const before = await Promise.all([expunged(), revoked()]);
    for (const migration of migrations.slice(BEFORE)) await apply(database, migration);
    expect(await Promise.all([expunged(), revoked()])).toEqual(before);
  });

  test('has one of each sled whose key another one replaced, or that was expunged before it registered, at the latest time', async () => {
    await using database = await createTestDatabase();
    const at = (second: number) => new Date(Date.UTC(2030, 0, 1, 0, 0, second));
    for (const [key, id, replaced, removed] of [
      ['a', SLED, at(1), null],
      ['b', SLED, at(2), at(3)],
      ['c', SLED, null, null],
      ['d', NEXUS, null, null],
    ])
      await database.query(
        'INSERT INTO sled_key (public_key_sha256, sled_id, time_replaced, time_expunged) VALUES ($1, $2, $3, $4)',
        [key, id, replaced, removed],
      );
    for (const migration of (await readMigrations()).slice(BEFORE)) await apply(database, migration);
    expect(await database.query('SELECT kind, id, time_revoked FROM identity_revocation')).toEqual([
      { kind: 'sled', id: SLED, time_revoked: at(3) },
    ]);
  });
});

describe('a database from before points were recorded', () => {
  const DIGEST = 'ab'.repeat(32);

  /** At schema version 30, with a generation of its own. */
  const beforePoints = async () => {
    const database = await createTestDatabase({ migrated: false });
    for (const migration of (await readMigrations()).slice(0, BEFORE_POINTS))
      await apply(database, migration);
    await database.query('UPDATE schema_version SET version = $1', [BEFORE_POINTS]);
    await database.query('UPDATE tuf_generation SET generation = 42, digest = $1', [DIGEST]);
    return database;
  };
  const current = (database: TestDatabase) => database.query('SELECT * FROM tuf_current_point');
  const points = (database: TestDatabase) =>
    database.query('SELECT generation, digest, origin, ordered_by, sled_id FROM tuf_point');
  const CURRENT = [{ singleton: true, generation: '42', digest: DIGEST }];
  const FIRST = [{ generation: '42', digest: DIGEST, origin: 'first', ordered_by: null, sled_id: null }];

  test('goes on at its generation, which becomes its first point (P13)', async () => {
    await using database = await beforePoints();
    expect(await migrate(database)).toEqual({ from: BEFORE_POINTS, to: SCHEMA_VERSION });
    expect(await current(database)).toEqual(CURRENT);
    expect(await points(database)).toEqual(FIRST);
    const datastore = await database.openDatastore();
    const claim = (generation: number, digest = DIGEST) => ({
      generation: asGeneration(generation),
      digest,
      hasLineage: false,
    });
    const claims = [claim(42), claim(42, 'cd'.repeat(32)), claim(41), claim(43)];
    const { lineage } = await datastore.pointsRecorded(claims, { signal });
    expect(claims.map(each => isKnownPoint(each, lineage))).toEqual([true, false, true, false]);
  });

  test('fails for a Nexus of the old version from the first step on, instead of taking points that nobody records', async () => {
    await using database = await beforePoints();
    const statements = [
      'SELECT generation, digest FROM tuf_generation FOR UPDATE',
      'UPDATE tuf_generation SET generation = generation + 1',
    ];
    for (const statement of statements) await database.query(statement);
    for (const migration of (await readMigrations()).slice(BEFORE_POINTS)) {
      await apply(database, migration);
      for (const statement of statements)
        await expect(database.query(statement), migration.statement).rejects.toMatchObject({ code: '42P01' });
    }
  });

  test('comes to the same, wherever a step is interrupted and run again', async () => {
    const steps = (await readMigrations()).slice(BEFORE_POINTS);
    for (const interrupted of steps) {
      await using database = await beforePoints();
      for (const migration of steps) {
        await apply(database, migration);
        if (migration === interrupted) await apply(database, migration);
      }
      expect(await current(database), interrupted.statement).toEqual(CURRENT);
      expect(await points(database), interrupted.statement).toEqual(FIRST);
    }
  });
});

describe('a schema of another version', () => {
  test('an older one is refused, naming both versions and the command (S14)', async () => {
    await using database = await createTestDatabase();
    await database.query('UPDATE schema_version SET version = 7');
    await expect(database.openDatastore()).rejects.toMatchObject({
      code: 'SCHEMA_VERSION',
      message: `the database has schema version 7, this tuf-depot needs ${SCHEMA_VERSION}: run tuf-depot db migrate`,
    });
  });

  test('an empty database is refused, and not migrated by the way (S14)', async () => {
    await using database = await createTestDatabase({ migrated: false });
    await expect(database.openDatastore()).rejects.toMatchObject({
      code: 'SCHEMA_VERSION',
      detail: { found: 0, needed: SCHEMA_VERSION },
    });
    expect(
      await database.query("SELECT 1 FROM information_schema.tables WHERE table_schema = 'public'"),
    ).toEqual([]);
  });

  test('a newer one is refused by Nexus and by db migrate alike (S14)', async () => {
    await using database = await createTestDatabase();
    await database.query('UPDATE schema_version SET version = 999');
    await expect(database.openDatastore()).rejects.toMatchObject({ code: 'SCHEMA_VERSION' });
    await expect(migrate(database)).rejects.toMatchObject({
      code: 'SCHEMA_VERSION',
      message: expect.stringContaining('newer tuf-depot'),
    });
  });
});
