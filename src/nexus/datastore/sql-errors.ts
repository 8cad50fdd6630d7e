/**
 * The meaning of a database error for its transaction.
 *
 * The states are those of PostgreSQL (appendix A of its manual) and of CockroachDB, as both document them; only
 * PostgreSQL's have been met by a test.
 */
import pg from 'pg';
import { DepotError } from '../../lib/errors.ts';

/**
 * - `conflict`: the database aborted the transaction in favour of another; run it again.
 * - `unavailable`: no answer, none in time, or one from a server that accepts no writes; before COMMIT nothing was changed
 *   then. The connection is closed: another one may reach a better server.
 * - `refused`: the statement itself; running it again gives the same answer.
 */
export type SqlFailure = 'conflict' | 'unavailable' | 'refused';

/**
 * Serialization failure (CockroachDB: with "restart transaction" in its text), deadlock, and a lock that was not free
 * within `lock_timeout`. A unique violation is the same here: every transaction reads before it inserts, so a violation means
 * that another transaction committed in between.
 */
const CONFLICT_STATES = new Set(['40001', '40P01', '55P03', '23505']);

const UNAVAILABLE_STATES = new Set([
  // CockroachDB: it cannot tell whether the statement was completed.
  '40003',
  // A standby that was the primary when the transaction began.
  '25006',
  // Time limits: of a statement, of an idle transaction, of a transaction.
  ...['57014', '25P03', '25P04'],
  // CockroachDB: an error without a state of its own, mostly of a node that lost its ranges.
  'XXUUU',
]);
/** Connection; resources (disk full, out of memory, too many connections); shut down, crashed, starting; I/O. */
const UNAVAILABLE_CLASSES = ['08', '53', '57P', '58'];

/** What a standby answers to `BEGIN ISOLATION LEVEL SERIALIZABLE`: feature not supported. */
const FEATURE_NOT_SUPPORTED = '0A000';

export const sqlState = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? error.code : undefined;

/** @param error the error of the driver */
export const classifySqlError = (error: unknown): SqlFailure => {
  if (error instanceof DepotError) return 'refused';
  const state = sqlState(error);
  // Without a state it did not come from the server: a socket that closed, a name that did not resolve, a timeout.
  if (state === undefined) return 'unavailable';
  if (CONFLICT_STATES.has(state)) return 'conflict';
  const isUnavailable =
    UNAVAILABLE_STATES.has(state) || UNAVAILABLE_CLASSES.some(prefix => state.startsWith(prefix));
  return isUnavailable ? 'unavailable' : 'refused';
};

/** A working server has no reason to refuse a BEGIN; 0A000 means a standby only there. */
export const isUnavailableAtBegin = (error: unknown): boolean =>
  sqlState(error) === FEATURE_NOT_SUPPORTED || classifySqlError(error) !== 'refused';

/**
 * Whether, after an error at COMMIT, the transaction may have been committed (P4). Only an answer that it was aborted rules
 * that out.
 */
export const isCommitUncertain = (error: unknown): boolean => {
  const state = sqlState(error);
  return state === undefined || !(CONFLICT_STATES.has(state) || state.startsWith('23'));
};

/** The error of a refused statement; verdicts and bugs of the work pass unchanged. */
export const refused = (verb: string, cause: unknown): unknown => {
  const state = sqlState(cause);
  if (state === undefined) return cause;
  return new DepotError('INTERNAL', `${verb}: the database refused a statement (SQLSTATE ${state})`, {
    cause,
  });
};
