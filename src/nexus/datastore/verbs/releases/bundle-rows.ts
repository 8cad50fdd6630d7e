/** The rows of bundles; decisions/release-bundle.ts has which one a release has. */
import type { RepoId } from '../../../../core/ids.ts';
import { replacesBundle } from '../../decisions/release-bundle.ts';
import type { NewBundle, RecordedBundle } from '../../ports/release-port.ts';
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
export const recordBundle = async (db: Database, repoId: RepoId, bundle: NewBundle): Promise<boolean> => {
  if (!replacesBundle(await readBundle(db, repoId), bundle)) return false;
  await removeBundle(db, repoId);
  await db
    .insertInto('tuf_repo_bundle')
    .values({
      tuf_repo_id: repoId,
      sha256: bundle.sha256,
      kind: bundle.kind,
      content: Buffer.from(bundle.bytes),
    })
    .execute();
  return true;
};

export const removeBundle = async (db: Database, repoId: RepoId): Promise<void> => {
  await db.deleteFrom('tuf_repo_bundle').where('tuf_repo_id', '=', repoId).execute();
};
