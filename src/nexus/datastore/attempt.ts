/** One try of one transaction over a pool of connections. */
import assert from 'node:assert/strict';
import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import { classifySqlError, isCommitUncertain, refused } from './sql-errors.ts';
import type { Tables } from './tables.ts';
import type { AccessMode, AttemptOutcome, Engine } from './transactions.ts';

export type Database = Kysely<Tables>;

export const sqlEngine = (pool: pg.Pool): Engine<Database> => ({
  attempt: (mode, work, { signal }) => attemptTransaction(pool, mode, work, signal),
  refused,
});

/** Cancelling ends the connection, and with it the transaction, until COMMIT is sent (T2). */
const attemptTransaction = async <T>(
  pool: pg.Pool,
  mode: AccessMode,
  work: (db: Database) => Promise<T>,
  signal: AbortSignal,
): Promise<AttemptOutcome<T>> => {
  let client: pg.PoolClient;
  try {
    client = await connect(pool, signal);
  } catch (error) {
    return { kind: 'unreachable', error };
  }
  let broken = true;
  const ignore = () => undefined;
  // Between two statements nobody waits for an answer; the next statement fails anyway.
  client.on('error', ignore);
  const cancel = () => void client.end();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const driver = driverOver(client);
    let value: T;
    try {
      await driver.client.query(`BEGIN ISOLATION LEVEL SERIALIZABLE, ${mode}`);
      value = await work(driver.database);
    } catch (error) {
      const outcome = failureOf(error, driver);
      broken = outcome.kind === 'lost' || !(await rolledBack(client));
      return outcome;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
    if (signal.aborted) return { kind: 'lost', error: signal.reason };
    try {
      const { command } = await client.query('COMMIT');
      assert.equal(command, 'COMMIT', 'work swallowed the error of a statement');
      broken = false;
      return { kind: 'done', value };
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      if (!isCommitUncertain(error)) {
        broken = false;
        return { kind: 'conflict', error };
      }
      return { kind: mode === 'READ ONLY' ? 'lost' : 'uncertain', error };
    }
  } finally {
    client.removeListener('error', ignore);
    client.release(broken);
  }
};

/** A connection that comes after the caller left goes back to the pool. */
const connect = (pool: pg.Pool, signal: AbortSignal): Promise<pg.PoolClient> =>
  new Promise((resolve, reject) => {
    const abandon = () => reject(signal.reason);
    signal.addEventListener('abort', abandon, { once: true });
    pool.connect().then(
      client => {
        signal.removeEventListener('abort', abandon);
        if (signal.aborted) client.release();
        else resolve(client);
      },
      error => {
        signal.removeEventListener('abort', abandon);
        reject(error);
      },
    );
  });

/** Kysely builds and sends on this one connection; what the driver rejects with is told apart from work's own errors. */
type Driver = {
  readonly client: Pick<pg.PoolClient, 'query'>;
  readonly database: Database;
  readonly raised: (error: unknown) => boolean;
};

const driverOver = (client: pg.PoolClient): Driver => {
  const errors = new WeakSet<object>();
  const query = async (text: string, values?: unknown[]) => {
    try {
      return await client.query(text, values);
    } catch (error) {
      if (error instanceof Error) errors.add(error);
      throw error;
    }
  };
  const pool = { connect: async () => ({ query, release: () => undefined }), end: async () => undefined };
  return {
    client: { query } as Pick<pg.PoolClient, 'query'>,
    database: new Kysely<Tables>({ dialect: new PostgresDialect({ pool: pool as never }) }),
    raised: error => error instanceof Error && errors.has(error),
  };
};

const failureOf = (error: unknown, driver: Driver): AttemptOutcome<never> => {
  if (!driver.raised(error)) return { kind: 'failed', error };
  switch (classifySqlError(error)) {
    case 'conflict':
      return { kind: 'conflict', error };
    case 'unavailable':
      return { kind: 'lost', error };
    case 'refused':
      return { kind: 'failed', error };
  }
};

const rolledBack = (client: pg.PoolClient): Promise<boolean> =>
  client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
