/** The schema version of this Nexus, and the refusal of any other. */
import type pg from 'pg';
import { DepotError } from '../../lib/errors.ts';
import { sqlState } from './sql-errors.ts';

/** The number of the last file in `schema/migrations`. */
export const SCHEMA_VERSION = 65;

const UNDEFINED_TABLE = '42P01';

type Queryable = Pick<pg.Client, 'query'>;

/** 0 for a database without tables of ours. */
export const readSchemaVersion = async (client: Queryable): Promise<number> => {
  try {
    const { rows } = await client.query<{ version: number }>('SELECT version FROM schema_version');
    return rows[0]?.version ?? 0;
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return 0;
    throw error;
  }
};

/** @throws `SCHEMA_VERSION` naming both versions and what to run, unless `found` is {@link SCHEMA_VERSION} */
export const requireSchemaVersion = (found: number): void => {
  if (found === SCHEMA_VERSION) return;
  const remedy =
    found < SCHEMA_VERSION
      ? 'run tuf-depot db migrate'
      : 'it was migrated by a newer tuf-depot: run that one or a later one';
  throw new DepotError(
    'SCHEMA_VERSION',
    `the database has schema version ${found}, this tuf-depot needs ${SCHEMA_VERSION}: ${remedy}`,
    { detail: { found, needed: SCHEMA_VERSION } },
  );
};
