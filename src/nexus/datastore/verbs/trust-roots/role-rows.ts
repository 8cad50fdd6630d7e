/** When the metadata of releases expires, role by role, as it was signed under a trust root. */
import type { RepoId } from '../../../../core/ids.ts';
import type { RoleExpiry } from '../../../../core/release.ts';
import type { Database } from '../../tables.ts';

/** Replaces the metadata of a release: it may be uploaded again, signed anew. */
export const recordRoles = async (
  db: Database,
  repoId: RepoId,
  roles: readonly RoleExpiry[],
): Promise<void> => {
  for (const { role, version, expiresMs } of roles) {
    const expires = new Date(expiresMs);
    await db
      .insertInto('tuf_repo_role')
      .values({ tuf_repo_id: repoId, role, version, expires })
      .onConflict(conflict => conflict.columns(['tuf_repo_id', 'role']).doUpdateSet({ version, expires }))
      .execute();
  }
};
