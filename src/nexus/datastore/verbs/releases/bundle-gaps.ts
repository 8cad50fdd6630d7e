import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';

export const bundleGaps =
  (transactions: Transactions): ReleasePort['bundleGaps'] =>
  wait =>
    transactions.read(
      'bundle_gaps',
      async db => {
        const rows = await db
          .selectFrom('tuf_repo as repo')
          .leftJoin('tuf_repo_bundle as bundle', 'bundle.tuf_repo_id', 'repo.id')
          .select(['repo.id', 'repo.system_version', 'bundle.kind'])
          .where('repo.time_pruned', 'is', null)
          .where(where => where.or([where('bundle.kind', 'is', null), where('bundle.kind', '=', 'unsigned')]))
          .orderBy('repo.version_order')
          .execute();
        return rows.map(row => ({
          repoId: row.id,
          systemVersion: row.system_version,
          hasBundle: row.kind !== null,
        }));
      },
      wait,
    );
