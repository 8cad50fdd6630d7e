import { TrustRootId } from '../../../../core/ids.ts';
import { ifGiven } from '../../optional-clause.ts';
import { pageOf, parseToken, rowsFor } from '../../paging.ts';
import type { TrustRootPort } from '../../ports/trust-root-port.ts';
import { toTrustRootRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { newestRoots } from './root-chains.ts';

export const trustRootList =
  (transactions: Transactions): TrustRootPort['trustRootList'] =>
  async (page, wait) => {
    const after = parseToken(page, TrustRootId);
    const { rows, newest } = await transactions.read(
      'trust_root_list',
      async db => {
        const rows = await db
          .selectFrom('tuf_trust_root')
          .selectAll()
          .where('time_deleted', 'is', null)
          .$call(ifGiven(after, (query, last) => query.where('id', '>', last)))
          .orderBy('id')
          .limit(rowsFor(page))
          .execute();
        const ids = rows.map(({ id }) => id);
        return { rows, newest: await newestRoots(db, ids) };
      },
      wait,
    );
    return pageOf(
      rows,
      page,
      row => toTrustRootRecord(row, newest.get(row.id)),
      ({ id }) => id,
    );
  };
