import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';

export const bundleGet =
  (transactions: Transactions): ReleasePort['bundleGet'] =>
  (sha256, wait) =>
    transactions.read(
      'bundle_get',
      async db => {
        const row = await db
          .selectFrom('tuf_repo_bundle')
          .select('content')
          .where('sha256', '=', sha256)
          .limit(1)
          .executeTakeFirst();
        return row?.content;
      },
      wait,
    );
