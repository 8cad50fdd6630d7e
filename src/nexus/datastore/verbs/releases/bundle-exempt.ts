import { sql } from 'kysely';
import { releaseExempted, requireBundle } from '../../decisions/release-bundle.ts';
import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { readBundle } from './bundle-rows.ts';

export const bundleExempt =
  (transactions: Transactions): ReleasePort['bundleExempt'] =>
  (version, { audit, signal }) =>
    transactions.write(
      'bundle_exempt',
      async (db, attempt) => {
        const repo = await db
          .selectFrom('tuf_repo')
          .select('id')
          .where('system_version', '=', version)
          .where('time_pruned', 'is', null)
          .executeTakeFirst();
        const before = requireBundle(version, repo && (await readBundle(db, repo.id)));
        await db
          .updateTable('tuf_repo_bundle')
          .set({ time_exempted: sql<Date>`now()` })
          .where('sha256', '=', before.sha256)
          .where('time_exempted', 'is', null)
          .execute();
        await appendAudit(db, audit, releaseExempted(version, before), attempt);
        return { ...before, isExempted: true };
      },
      { signal },
    );
