import type { TrustRootPort } from '../../ports/trust-root-port.ts';
import { toTrustRootRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { newestRoots } from './root-chains.ts';

export const trustRootGet =
  (transactions: Transactions): TrustRootPort['trustRootGet'] =>
  (id, wait) =>
    transactions.read(
      'trust_root_get',
      async db => {
        const row = await db
          .selectFrom('tuf_trust_root')
          .selectAll()
          .where('id', '=', id)
          .where('time_deleted', 'is', null)
          .executeTakeFirst();
        return row && toTrustRootRecord(row, (await newestRoots(db, [id])).get(id));
      },
      wait,
    );
