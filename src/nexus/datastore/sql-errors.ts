/** What an error of the database means for the transaction that met it. */
import pg from 'pg';
import { DepotError } from '../../lib/errors.ts';
import { unstorableText } from './transaction-errors.ts';

/**
 * - `conflict`: the database aborted the transaction for the sake of another; run it again.
 * - `unavailable`: no answer, or none in time; before COMMIT that means that nothing was changed.
 * - `refused`: the statement itself; running it again gives the same answer.
 */
export type SqlFailure = 'conflict' | 'unavailable' | 'refused';

/**
 * Serialization failure and deadlock. A unique violation is the same here: every transaction looks before it
 * inserts, so it meets one only when another committed in between.
 */
const CONFLICT_STATES = new Set(['40001', '40P01', '23505']);

/** Shut down, crashed, starting; too many connections; timeouts of statement, lock and transaction. */
const UNAVAILABLE_STATES = new Set([
  ...['57P01', '57P02', '57P03', '40003', '53300'],
  ...['57014', '55P03', '25P03', '25P04'],
]);
const CONNECTION_EXCEPTION_CLASS = '08';

export const sqlState = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? error.code : undefined;

/** @param error what the driver rejected with */
export const classifySqlError = (error: unknown): SqlFailure => {
  if (error instanceof DepotError) return 'refused';
  const state = sqlState(error);
  // Without a state it did not come from the server: a socket that closed, a name that did not resolve, a timeout.
  if (state === undefined) return 'unavailable';
  if (CONFLICT_STATES.has(state)) return 'conflict';
  if (UNAVAILABLE_STATES.has(state) || state.startsWith(CONNECTION_EXCEPTION_CLASS)) return 'unavailable';
  return 'refused';
};

/**
 * Whether an error at COMMIT leaves open if the transaction was committed (P4). Certain are only the answers
 * that say that it was aborted.
 */
export const isCommitUncertain = (error: unknown): boolean => {
  const state = sqlState(error);
  return state === undefined || !(CONFLICT_STATES.has(state) || state.startsWith('23'));
};

/** A text that holds a NUL character, or is no Unicode. */
const UNSTORABLE_TEXT_STATES = ['22021', '22P05'];

/** What the database said to a statement; the work's own verdicts and bugs pass as they are. */
export const refused = (verb: string, cause: unknown): unknown => {
  const state = sqlState(cause);
  if (state === undefined) return cause;
  return UNSTORABLE_TEXT_STATES.includes(state)
    ? unstorableText(verb, cause)
    : new DepotError('INTERNAL', `${verb}: the database refused a statement (SQLSTATE ${state})`, { cause });
};
