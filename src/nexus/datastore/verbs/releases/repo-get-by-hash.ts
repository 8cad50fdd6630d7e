import type { ReleasePort } from '../../ports/release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';

export const repoGetByHash =
  (transactions: Transactions): ReleasePort['repoGetByHash'] =>
  (hash, wait) =>
    transactions.read(
      'repo_get_by_hash',
      async db => {
        const row = await db.selectFrom('tuf_repo').selectAll().where('hash', '=', hash).executeTakeFirst();
        return row && toRepoRecord(row);
      },
      wait,
    );
