/** The errors of a transaction that failed because of the database, not because of its work. */
import { DepotError } from '../../lib/errors.ts';

export const contention = (verb: string, cause: unknown): DepotError =>
  new DepotError(
    'DATABASE_CONTENTION',
    `${verb}: the database aborted the transaction each time, because others changed the same rows`,
    { cause },
  );

export const unavailable = (verb: string, cause: unknown): DepotError =>
  new DepotError('DATABASE_UNAVAILABLE', `${verb}: the database is unavailable`, { cause });

export const commitUncertain = (verb: string, cause: unknown): DepotError =>
  new DepotError(
    'COMMIT_UNCERTAIN',
    `${verb}: given up before the database reported whether it was committed`,
    {
      cause,
    },
  );
