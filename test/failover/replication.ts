/** What replication needs of the binaries of PostgreSQL: a library that not every package of them has. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findPostgresBinaries } from '../../src/local-fleet/embedded-postgres/binaries.ts';

/** @returns the path of what is missing; undefined where replication is possible */
export const missingForReplication = async (): Promise<string | undefined> => {
  if (process.env.FAILOVER_POSTGRES !== undefined) return undefined;
  const { nativeDirectory } = await findPostgresBinaries();
  const library = join(nativeDirectory, 'lib/postgresql/libpqwalreceiver.so');
  return existsSync(library) ? undefined : library;
};
