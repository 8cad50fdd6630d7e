import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { DepotError } from '../../lib/errors.ts';
import { classifySqlError, isCommitUncertain, isUnavailableAtBegin, refused } from './sql-errors.ts';

const withState = (code: string) => Object.assign(new pg.DatabaseError('told so', 1, 'error'), { code });

describe('an error of the database', () => {
  test.for([
    ['40001', 'conflict', 'a serialization failure, of CockroachDB with "restart transaction"'],
    ['40P01', 'conflict', 'a deadlock'],
    ['55P03', 'conflict', 'a lock that was not free in time'],
    ['23505', 'conflict', 'a row that another transaction inserted meanwhile'],
    ['57P01', 'unavailable', 'a shutdown'],
    ['57P02', 'unavailable', 'a crash of another backend'],
    ['57P03', 'unavailable', 'a server that starts'],
    ['57014', 'unavailable', 'a statement that took too long'],
    ['25P03', 'unavailable', 'a transaction that did nothing for too long'],
    ['25006', 'unavailable', 'a write on a standby'],
    ['53100', 'unavailable', 'a full disk'],
    ['53300', 'unavailable', 'too many connections'],
    ['58030', 'unavailable', 'an I/O error'],
    ['XXUUU', 'unavailable', 'an error of CockroachDB without a state'],
    ['40003', 'unavailable', 'a completion that CockroachDB does not know'],
    ['08006', 'unavailable', 'a connection that failed'],
    ['0A000', 'refused', 'a statement that the engine does not have'],
    ['42P01', 'refused', 'a table that is not there'],
    ['23503', 'refused', 'a reference to nothing'],
    ['28P01', 'refused', 'a wrong password'],
  ] as const)('%s is %s: %s', ([state, kind]) => {
    expect(classifySqlError(withState(state))).toBe(kind);
  });

  test('without a SQLSTATE it is a server that does not answer; one of our own errors is a verdict', () => {
    expect(classifySqlError(new Error('ECONNREFUSED'))).toBe('unavailable');
    expect(classifySqlError(new DepotError('NOT_FOUND', 'no such release'))).toBe('refused');
  });

  test('0A000 is a standby where a transaction begins, and only there', () => {
    expect(isUnavailableAtBegin(withState('0A000'))).toBe(true);
    expect(isUnavailableAtBegin(withState('42601'))).toBe(false);
  });

  test('at COMMIT the outcome is uncertain, unless the error says that the transaction was aborted (P4)', () => {
    for (const state of ['40001', '40P01', '23505', '23503']) {
      expect(isCommitUncertain(withState(state)), state).toBe(false);
    }
    for (const state of ['40003', '57P01', '53100', 'XXUUU', '08006']) {
      expect(isCommitUncertain(withState(state)), state).toBe(true);
    }
    expect(isCommitUncertain(new Error('Connection terminated unexpectedly'))).toBe(true);
  });

  test('a refused statement is a fault of this program and names its state', () => {
    expect(refused('release_insert', withState('42703'))).toMatchObject({
      code: 'INTERNAL',
      message: 'release_insert: the database refused a statement (SQLSTATE 42703)',
    });
  });
});
