/**
 * Brings a database to this schema version: `tuf-depot db migrate`, and nothing else, runs it.
 *
 *     lock the row of schema_version ─▶ run the next file on a second connection ─▶ write its number ─▶ unlock
 *
 * V1. A file is one statement that may run again: a crash before its number is written repeats it. It is not in
 *     one transaction with that number, since CockroachDB takes no schema and data changes together.
 * V2. The row lock makes concurrent runs take turns, one file at a time, whatever the engine.
 * V3. SQLSTATE 42710 is success: the object of an `ADD CONSTRAINT`, which has no IF NOT EXISTS, is there already.
 */
import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import { seededRng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
import { migrationConnections } from './connection.ts';
import { requireDatabaseTarget } from './database-url.ts';
import { closeConnection } from './open-connection.ts';
import { readSchemaVersion, requireSchemaVersion, SCHEMA_VERSION } from './schema-version.ts';
import { classifySqlError, refused, sqlState } from './sql-errors.ts';
import { unavailable } from './transaction-errors.ts';
import { waitForDatabase } from './wait-for-database.ts';

const MIGRATIONS_DIRECTORY = new URL('../../../schema/migrations/', import.meta.url);
const FILE_NAME = /^(\d{3})-[a-z0-9-]+\.sql$/;
/** The table and the row that the lock is on; they have to be there before it can be taken. */
const UNLOCKED_MIGRATIONS = 2;
/** Two runs may create the first table at the same moment; the loser checks again. */
const CREATED_MEANWHILE_STATES = ['23505', '42P07', '40001'];
const DUPLICATE_OBJECT = '42710';
const MAX_BOOTSTRAP_ATTEMPTS = 10;
const MAX_STEP_CONFLICTS = 100;

export type Migration = { readonly version: number; readonly name: string; readonly statement: string };

export const readMigrations = async (): Promise<Migration[]> => {
  const names = (await readdir(MIGRATIONS_DIRECTORY)).filter(name => FILE_NAME.test(name)).sort();
  return await Promise.all(
    names.map(async name => ({
      version: Number(name.slice(0, 3)),
      name,
      statement: await readFile(new URL(name, MIGRATIONS_DIRECTORY), 'utf8'),
    })),
  );
};

/** Runs one statement outside a transaction. It may have run before (V1, V3). */
export const runMigration = async (
  query: (statement: string) => Promise<unknown>,
  { statement }: Migration,
): Promise<void> => {
  try {
    await query(statement);
  } catch (error) {
    if (sqlState(error) !== DUPLICATE_OBJECT) throw error;
  }
};

/**
 * Runs the migrations that the database lacks. Safe to run from several places at once, and again after a crash.
 *
 * @returns the schema versions before and after; 0 stands for an empty database
 * @throws `SCHEMA_VERSION` when a newer tuf-depot migrated it; `DATABASE_UNAVAILABLE`; `CONFIG_INVALID`
 */
export const migrateDatabase = async (options: {
  connection: string;
  log: Logger;
  signal: AbortSignal;
}): Promise<{ from: number; to: number }> => {
  const { log, signal } = options;
  const connect = migrationConnections(requireDatabaseTarget(options.connection));
  const migrations = await readMigrations();
  await using stack = new AsyncDisposableStack();
  const open = async (): Promise<pg.Client> => {
    const client = await connect({ signal });
    const cancel = () => void client.end();
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    stack.defer(() => {
      signal.removeEventListener('abort', cancel);
      return closeConnection(client);
    });
    return client;
  };
  try {
    signal.throwIfAborted();
    const locker = await open();
    const worker = await open();
    const from = await readSchemaVersion(locker);
    if (from > SCHEMA_VERSION) requireSchemaVersion(from);
    if (from < UNLOCKED_MIGRATIONS) await bootstrap(worker, migrations.slice(0, UNLOCKED_MIGRATIONS));
    while (await migrateOneStep({ locker, worker, migrations, log }));
    return { from, to: SCHEMA_VERSION };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof DepotError) throw error;
    throw classifySqlError(error) === 'unavailable'
      ? unavailable('db migrate', error)
      : refused('db migrate', error);
  }
};

/** Long enough for a failover that an operator watches; after that the database needs attention. */
const GIVE_UP_AFTER_MS = 60_000;

/** As {@link migrateDatabase}, but waits for a database that is away, or that has only standbys. */
export const migrateWhenAvailable = (
  options: Parameters<typeof migrateDatabase>[0] & {
    readonly clock: Clock;
    /** Receives the reason of each wait. */
    readonly waitsFor: (reason: string) => void;
    readonly giveUpAfterMs?: number;
  },
): Promise<{ from: number; to: number }> =>
  waitForDatabase(
    () => migrateDatabase(options),
    // One run waits for one database: the waits need no random spread.
    { ...options, log: silentLogger, rng: seededRng(1) },
    { giveUpAfterMs: GIVE_UP_AFTER_MS, ...options },
  );

const bootstrap = async (worker: pg.Client, migrations: readonly Migration[]): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const migration of migrations) await runMigration(statement => worker.query(statement), migration);
      return;
    } catch (error) {
      const meanwhile = CREATED_MEANWHILE_STATES.includes(sqlState(error) ?? '');
      if (!meanwhile || attempt === MAX_BOOTSTRAP_ATTEMPTS) throw error;
    }
  }
};

type Step = {
  readonly locker: pg.Client;
  readonly worker: pg.Client;
  readonly migrations: readonly Migration[];
  readonly log: Logger;
};

/** @returns false when there was nothing left to do */
const migrateOneStep = async ({ locker, worker, migrations, log }: Step): Promise<boolean> => {
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      await locker.query('BEGIN');
      const { rows } = await locker.query<{ version: number }>(
        'SELECT version FROM schema_version FOR UPDATE',
      );
      const next = migrations.find(({ version }) => version > (rows[0]?.version ?? 0));
      if (next !== undefined) {
        await runMigration(statement => worker.query(statement), next);
        await locker.query('UPDATE schema_version SET version = $1, time_modified = now()', [next.version]);
        log.info({ migration: next.name }, 'database migrated');
      }
      await locker.query('COMMIT');
      return next !== undefined;
    } catch (error) {
      if (classifySqlError(error) !== 'conflict' || conflicts === MAX_STEP_CONFLICTS) throw error;
      await locker.query('ROLLBACK');
    }
  }
};
