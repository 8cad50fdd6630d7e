import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';
import { recordBundle } from './bundle-rows.ts';

export const bundleInsert =
  (transactions: Transactions): ReleasePort['bundleInsert'] =>
  (repoId, bundle, wait) =>
    transactions.write(
      'bundle_insert',
      async db => {
        const repo = await db
          .selectFrom('tuf_repo')
          .select('id')
          .where('id', '=', repoId)
          .where('time_pruned', 'is', null)
          .executeTakeFirst();
        return repo !== undefined && (await recordBundle(db, repoId, bundle));
      },
      wait,
    );
