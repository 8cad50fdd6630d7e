/**
 * Connections to the database: limits, and how values come out of it.
 *
 * N1. A 64-bit integer becomes a number only when it is one exactly: beyond 2^53 - 1 it is an error, never rounded.
 * N2. A time becomes milliseconds since the epoch.
 */
import pg from 'pg';
import { DepotError } from '../../lib/errors.ts';

/** For each Nexus: its handlers and tasks, with the server's usual limit of 100 in mind. */
const MAX_POOL_CONNECTIONS = 10;
/** Includes the wait for a connection of the pool, so that a slow database becomes an error and not a queue. */
const CONNECT_TIMEOUT_MS = 5_000;
/** No statement of Nexus takes a second on a healthy database; the server ends what takes this long. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** When the server is gone without a word, the client gives up after it would have. */
const QUERY_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;
/** A transaction whose Nexus froze must not hold its locks for ever. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;

const INT8_OID = 20;
const TIMESTAMPTZ_OID = 1184;

/** N1. @throws `DATABASE_CONTENT` beyond what a number holds exactly */
export const parseInt8 = (text: string): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new DepotError(
    'DATABASE_CONTENT',
    `the database answered the integer ${text}, beyond 2^53 - 1; it is not rounded`,
  );
};

const parseTimestamp = pg.types.getTypeParser(TIMESTAMPTZ_OID, 'text');

const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8_OID) return parseInt8;
    if (oid === TIMESTAMPTZ_OID) return (text: string) => (parseTimestamp(text) as Date).getTime();
    return pg.types.getTypeParser(oid, format as 'text');
  }) as pg.CustomTypesConfig['getTypeParser'],
};

/** @param connection a PostgreSQL URL, `postgresql://user:password@host:port/database` or with `?host=` for a socket */
export const createPool = (connection: string): pg.Pool =>
  new pg.Pool({
    connectionString: connection,
    types,
    application_name: 'tuf-depot',
    max: MAX_POOL_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
  });

/** For migrations: an index over a large table takes the time it takes. */
export const createMigrationClient = (connection: string): pg.Client =>
  new pg.Client({
    connectionString: connection,
    types,
    application_name: 'tuf-depot db migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
