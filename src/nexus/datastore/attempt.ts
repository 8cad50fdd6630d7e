/**
 * One attempt of one transaction over a pool of connections.
 *
 *     connection ─▶ BEGIN, limits ─▶ work ─▶ COMMIT ─▶ connection back to the pool
 *
 * AT1. BEGIN and the limits are one round trip, in the simple protocol, which poolers accept (CL1).
 * AT2. A connection returns to the pool only after an answer that shows its state; otherwise it is closed, and after a fault
 *      of the server so are the idle ones (CP2).
 * AT3. A COMMIT that is answered with a warning is uncertain: the wait for a synchronous standby was cancelled, so the
 *      commit may be lost in a failover. The repetition locks a row, which is a write: its own COMMIT waits for the
 *      standby again, even if it finds everything done.
 */
import assert from 'node:assert/strict';
import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import { type SqlPool, TRANSACTION_LIMITS } from './connection.ts';
import type { Lease, Release } from './connection-pool.ts';
import { classifySqlError, isCommitUncertain, isUnavailableAtBegin, refused } from './sql-errors.ts';
import type { Database, Tables } from './tables.ts';
import type { AccessMode, AttemptOutcome, Engine } from './transactions.ts';
import { lockGeneration } from './verbs/wanted-set/wanted-set-rows.ts';

export const sqlEngine = (pool: SqlPool): Engine<Database> => ({
  attempt: (mode, work, { settles, signal }) =>
    attemptTransaction(pool, mode, settles && mode === 'READ WRITE' ? settling(work) : work, signal),
  refused,
});

/** AT3. */
const settling =
  <T>(work: (db: Database) => Promise<T>) =>
  async (db: Database): Promise<T> => {
    await lockGeneration(db);
    return await work(db);
  };

type Ended<T> = { readonly outcome: AttemptOutcome<T>; readonly release: Release };

const attemptTransaction = async <T>(
  pool: SqlPool,
  mode: AccessMode,
  work: (db: Database) => Promise<T>,
  signal: AbortSignal,
): Promise<AttemptOutcome<T>> => {
  let lease: Lease<pg.Client>;
  try {
    lease = await pool.acquire({ signal });
  } catch (error) {
    return { kind: 'unreachable', error };
  }
  let release: Release = 'close';
  try {
    const ended = await runTransaction(lease.client, mode, work, signal);
    release = ended.release;
    return ended.outcome;
  } finally {
    lease.release(release);
  }
};

/** Cancelling ends the connection, and with it the transaction, until COMMIT is sent (TX2). */
const runTransaction = async <T>(
  client: pg.Client,
  mode: AccessMode,
  work: (db: Database) => Promise<T>,
  signal: AbortSignal,
): Promise<Ended<T>> => {
  const cancelled = () => ({ outcome: { kind: 'lost', error: signal.reason }, release: 'close' }) as const;
  if (signal.aborted) return { outcome: cancelled().outcome, release: 'keep' };
  const cancel = () => void client.end();
  signal.addEventListener('abort', cancel, { once: true });
  let value: T;
  try {
    try {
      await client.query(`BEGIN ISOLATION LEVEL SERIALIZABLE, ${mode}; ${TRANSACTION_LIMITS}`);
    } catch (error) {
      if (!isUnavailableAtBegin(error)) return { outcome: { kind: 'failed', error }, release: 'close' };
      return { outcome: { kind: 'lost', error }, release: signal.aborted ? 'close' : 'suspect' };
    }
    const driver = driverOver(client);
    try {
      value = await work(driver.database);
    } catch (error) {
      const outcome = failureOf(error, driver);
      if (outcome.kind === 'lost') return { outcome, release: signal.aborted ? 'close' : 'suspect' };
      return { outcome, release: await rolledBack(client) };
    }
  } finally {
    signal.removeEventListener('abort', cancel);
  }
  return signal.aborted ? cancelled() : await commit(client, mode, value);
};

const commit = async <T>(client: pg.Client, mode: AccessMode, value: T): Promise<Ended<T>> => {
  let warning: Error | undefined;
  // By its code, as the severity is translated: a notice is of class 00, and a warning is not.
  const notice = ({ code, message }: { code?: string | undefined; message?: string | undefined }) => {
    if (code?.startsWith('00') !== true) warning = new Error(message);
  };
  client.on('notice', notice);
  try {
    const { command } = await client.query('COMMIT');
    assert.equal(command, 'COMMIT', 'work swallowed the error of a statement');
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    if (!isCommitUncertain(error)) {
      return { outcome: { kind: 'conflict', error }, release: await rolledBack(client) };
    }
    return { outcome: { kind: mode === 'READ ONLY' ? 'lost' : 'uncertain', error }, release: 'suspect' };
  } finally {
    client.removeListener('notice', notice);
  }
  return mode === 'READ WRITE' && warning !== undefined
    ? { outcome: { kind: 'uncertain', error: warning }, release: 'keep' }
    : { outcome: { kind: 'done', value }, release: 'keep' };
};

/** Kysely builds and sends on this one connection; errors of the driver are distinguished from errors of the work. */
type Driver = {
  readonly database: Database;
  readonly raised: (error: unknown) => boolean;
};

const driverOver = (client: pg.Client): Driver => {
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
    // Kysely's type of a connection also reads cursors, which only streams ask for.
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

/** After a failed COMMIT there is usually nothing to roll back, which is a warning and not an error. */
const rolledBack = (client: pg.Client): Promise<Release> =>
  client.query('ROLLBACK').then(
    () => 'keep',
    () => 'close',
  );
