/**
 * Time limits of the connections to the database, and the functions that open them.
 *
 * Each limit is below the next one, so that the most specific one ends first:
 *
 *     lock 3 s < idle in transaction 4 s < statement 6 s < silence 8 s < 10 s, the limit of our clients
 *
 * CL1. The server's limits are set in each transaction, with its BEGIN: no state of a session, which a pooler loses.
 */
import type pg from 'pg';
import type { Clock } from '../../lib/clock.ts';
import { type ConnectionPool, createConnectionPool } from './connection-pool.ts';
import type { DatabaseTarget } from './database-url.ts';
import { closeConnection, connectionOpener, type OpenConnection } from './open-connection.ts';

/** For each Nexus: its handlers and tasks, with the server's usual limit of 100 in mind. */
const MAX_CONNECTIONS = 10;
const WAIT_FOR_CONNECTION_MS = 5_000;
const IDLE_CONNECTION_MS = 10_000;

/**
 * The wait for another transaction's lock. Transactions take milliseconds, so one that waits this long waits for many others,
 * or for a frozen Nexus, whose transaction the next limit ends. It counts as a conflict: the transaction runs again.
 */
const LOCK_TIMEOUT_MS = 3_000;
/** Between two statements of one transaction: its Nexus has frozen, and must not keep its locks. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 4_000;
/** No statement of Nexus takes a second on a healthy database. */
const STATEMENT_TIMEOUT_MS = 6_000;
/** A server that has neither ended a statement nor answered a COMMIT by then is gone or frozen. */
export const SILENCE_LIMIT_MS = 8_000;

/** For the statement that begins a transaction (CL1). */
export const TRANSACTION_LIMITS = [
  `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`,
  `SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
  `SET LOCAL idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT_MS}`,
  // Only a warning reports a commit whose wait for a standby was cancelled.
  'SET LOCAL client_min_messages = warning',
].join('; ');

export type SqlPool = ConnectionPool<pg.Client>;

export const createSqlPool = (
  target: DatabaseTarget,
  { clock, silenceLimitMs = SILENCE_LIMIT_MS }: { clock: Clock; silenceLimitMs?: number },
): SqlPool =>
  createConnectionPool({
    open: connectionOpener(target, { applicationName: 'tuf-depot', silenceLimitMs }),
    close: closeConnection,
    clock,
    maxConnections: MAX_CONNECTIONS,
    waitTimeoutMs: WAIT_FOR_CONNECTION_MS,
    idleTimeoutMs: IDLE_CONNECTION_MS,
  });

/** For migrations, without a limit on silence: an index over a large table may take long. */
export const migrationConnections = (target: DatabaseTarget): OpenConnection =>
  connectionOpener(target, { applicationName: 'tuf-depot db migrate' });
