/** The rows of prefix digests; decisions/release-prefixes.ts has which ones there are. */
import type { ArtifactHash } from '../../../../core/ids.ts';
import { noLongerWanted, prefixesToRecord } from '../../decisions/release-prefixes.ts';
import { batchesOf, INSERT_BATCH_ROWS, READ_BATCH_ROWS } from '../../paging.ts';
import type { NewRelease } from '../../ports/release-port.ts';
import type { Database } from '../../tables.ts';

/** After the rows of the release. */
export const recordPrefixes = async (db: Database, release: NewRelease): Promise<void> => {
  const rows = [...prefixesToRecord(release)].map(([sha256, { unitBytes, digests }]) => ({
    sha256,
    unit_bytes: unitBytes,
    digests: Buffer.from(digests),
  }));
  for (const batch of batchesOf(rows, INSERT_BATCH_ROWS)) {
    await db
      .insertInto('tuf_artifact_prefix')
      .values(batch)
      .onConflict(conflict =>
        conflict.column('sha256').doUpdateSet(row => ({
          unit_bytes: row.ref('excluded.unit_bytes'),
          digests: row.ref('excluded.digests'),
        })),
      )
      .execute();
  }
};

/** When the wanted set changes. */
export const removePrefixes = async (
  db: Database,
  before: ReadonlyMap<ArtifactHash, unknown>,
  after: ReadonlySet<ArtifactHash>,
): Promise<void> => {
  for (const batch of batchesOf(noLongerWanted(before.keys(), after), READ_BATCH_ROWS))
    await db.deleteFrom('tuf_artifact_prefix').where('sha256', 'in', batch).execute();
};
