/** Errors of Nexus that end when its database is back: nothing is wrong with what was asked. */
import { errorCodeOf } from '../lib/errors.ts';

const OUTAGES: ReadonlySet<string> = new Set([
  'DATABASE_UNAVAILABLE',
  'DATABASE_CONTENTION',
  'COMMIT_UNCERTAIN',
]);

export const isOutage = (error: unknown): boolean => OUTAGES.has(errorCodeOf(error));
