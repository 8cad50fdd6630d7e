/** The rows of bundles; decisions/release-bundle.ts has which one a release has. */
import { sql } from 'kysely';
import type { RepoId } from '../../../../core/ids.ts';
import { type OfferedBundle, replacesBundle, staysExempted } from '../../decisions/release-bundle.ts';
import type { RecordedBundle } from '../../ports/release-port.ts';
import type { Database } from '../../tables.ts';

export const readBundle = async (db: Database, repoId: RepoId): Promise<RecordedBundle | undefined> => {
  const row = await db
    .selectFrom('tuf_repo_bundle')
    .select(['sha256', 'kind', 'time_exempted'])
    .where('tuf_repo_id', '=', repoId)
    .executeTakeFirst();
  return row && { sha256: row.sha256, kind: row.kind, isExempted: row.time_exempted !== null };
};

/** @returns whether it was recorded */
export const recordBundle = async (db: Database, repoId: RepoId, bundle: OfferedBundle): Promise<boolean> => {
  const recorded = await readBundle(db, repoId);
  if (!replacesBundle(recorded, bundle)) return false;
  await removeBundle(db, repoId);
  await db
    .insertInto('tuf_repo_bundle')
    .values({
      tuf_repo_id: repoId,
      sha256: bundle.sha256,
      kind: bundle.kind,
      content: Buffer.from(bundle.bytes),
      ...(staysExempted(recorded, bundle) && { time_exempted: sql<Date>`now()` }),
    })
    .execute();
  return true;
};

export const removeBundle = async (db: Database, repoId: RepoId): Promise<void> => {
  await db.deleteFrom('tuf_repo_bundle').where('tuf_repo_id', '=', repoId).execute();
};
