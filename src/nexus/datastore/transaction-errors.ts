/** What a caller is told when it was the database, and not the work, that kept a transaction from ending well. */
import { DepotError } from '../../lib/errors.ts';

export const contention = (verb: string, cause: unknown): DepotError =>
  new DepotError(
    'DATABASE_CONTENTION',
    `${verb}: the database aborted the transaction each time, as others changed the same rows`,
    { cause },
  );

export const unavailable = (verb: string, cause: unknown): DepotError =>
  new DepotError('DATABASE_UNAVAILABLE', `${verb}: the database is unavailable`, { cause });

export const commitUncertain = (verb: string, cause: unknown): DepotError =>
  new DepotError('COMMIT_UNCERTAIN', `${verb}: given up before the database said whether it was committed`, {
    cause,
  });
