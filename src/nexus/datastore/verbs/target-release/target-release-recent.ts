import { READ_BATCH_ROWS } from '../../paging.ts';
import type { TargetReleasePort, TargetReleaseRecord } from '../../ports/target-release-port.ts';
import type { Transactions } from '../../transactions.ts';
import { toTargetRecord } from './target-rows.ts';

export const targetReleaseRecent =
  (transactions: Transactions): TargetReleasePort['targetReleaseRecent'] =>
  (count, wait) =>
    transactions.read(
      'target_release_recent',
      async db => {
        // For each release the last time that it was made the target.
        const rows = await db
          .selectFrom('target_release')
          .select(['tuf_repo_id', target => target.fn.max('generation').as('generation')])
          .where('tuf_repo_id', 'is not', null)
          .groupBy('tuf_repo_id')
          .orderBy('generation', 'desc')
          .limit(Math.min(count, READ_BATCH_ROWS))
          .execute();
        const recent: TargetReleaseRecord[] = [];
        for (const { generation } of rows) {
          const row = await db
            .selectFrom('target_release')
            .selectAll()
            .where('generation', '=', generation)
            .executeTakeFirstOrThrow();
          recent.push(await toTargetRecord(db, row));
        }
        return recent;
      },
      wait,
    );
