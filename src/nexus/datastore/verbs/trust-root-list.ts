import { TrustRootId } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import { pageOf, parseToken, rowsFor } from '../paging.ts';
import { toTrustRootRecord } from '../records.ts';
import type { Transactions } from '../transactions.ts';

export const trustRootList =
  (transactions: Transactions): Datastore['trustRootList'] =>
  async (page, wait) => {
    const after = parseToken(page, TrustRootId);
    const rows = await transactions.read(
      'trust_root_list',
      db =>
        db
          .selectFrom('tuf_trust_root')
          .selectAll()
          .where('time_deleted', 'is', null)
          .$if(after !== undefined, query => query.where('id', '>', after!))
          .orderBy('id')
          .limit(rowsFor(page))
          .execute(),
      wait,
    );
    return pageOf(rows, page, toTrustRootRecord, ({ id }) => id);
  };
