import type { ReleasePort } from '../../ports/release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';

export const repoGetByVersion =
  (transactions: Transactions): ReleasePort['repoGetByVersion'] =>
  (version, { includePruned = false, ...wait }) =>
    transactions.read(
      'repo_get_by_version',
      async db => {
        const row = await db
          .selectFrom('tuf_repo')
          .selectAll()
          .where('system_version', '=', version)
          .$if(!includePruned, query => query.where('time_pruned', 'is', null))
          .executeTakeFirst();
        return row && toRepoRecord(row);
      },
      wait,
    );
