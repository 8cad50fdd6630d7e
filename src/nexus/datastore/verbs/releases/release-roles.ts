import type { SystemVersion } from '../../../../core/ids.ts';
import type { RoleExpiry } from '../../../../core/release.ts';
import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';

export const releaseRoles =
  (transactions: Transactions): ReleasePort['releaseRoles'] =>
  async wait => {
    const rows = await transactions.read(
      'release_roles',
      db =>
        db
          .selectFrom('tuf_repo_role as signed')
          .innerJoin('tuf_repo as repo', 'repo.id', 'signed.tuf_repo_id')
          .select(['repo.system_version', 'signed.role', 'signed.version', 'signed.expires'])
          .where('repo.time_pruned', 'is', null)
          .orderBy('repo.version_order')
          .execute(),
      wait,
    );
    const releases = new Map<SystemVersion, RoleExpiry[]>();
    for (const { system_version, role, version, expires } of rows) {
      const roles = releases.get(system_version) ?? [];
      releases.set(system_version, roles);
      roles.push({ role, version, expiresMs: expires });
    }
    return Array.from(releases, ([systemVersion, roles]) => ({ systemVersion, roles }));
  };
