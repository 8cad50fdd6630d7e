/**
 * How values of the database are parsed.
 *
 * SQ1. A 64-bit integer becomes a number only when it is one exactly: beyond 2^53 - 1 it is an error, never rounded.
 * SQ2. A time becomes milliseconds since the epoch.
 */
import pg from 'pg';
import { DepotError } from '../../lib/errors.ts';

const INT8_OID = 20;
const TIMESTAMPTZ_OID = 1184;

/** SQ1. @throws `DATABASE_CONTENT` beyond what a number holds exactly */
const parseInt8 = (text: string): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new DepotError(
    'DATABASE_CONTENT',
    `the database answered the integer ${text}, beyond 2^53 - 1; it is not rounded`,
  );
};

const parseTimestamp = pg.types.getTypeParser(TIMESTAMPTZ_OID, 'text');

export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8_OID) return parseInt8;
    if (oid === TIMESTAMPTZ_OID) return (text: string) => (parseTimestamp(text) as Date).getTime();
    return pg.types.getTypeParser(oid, format as 'text');
  }) as pg.CustomTypesConfig['getTypeParser'],
};
