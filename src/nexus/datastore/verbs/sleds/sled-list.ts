import { SledId } from '../../../../core/ids.ts';
import { ifGiven } from '../../optional-clause.ts';
import { pageOf, parseToken, rowsFor } from '../../paging.ts';
import type { SledPort } from '../../ports/sled-port.ts';
import { toSledRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { selectSleds } from './plain-rows.ts';

export const sledList =
  (transactions: Transactions): SledPort['sledList'] =>
  async (page, wait) => {
    const after = parseToken(page, SledId);
    const rows = await transactions.read(
      'sled_list',
      db =>
        selectSleds(db)
          .$call(ifGiven(page.policy, (query, policy) => query.where('policy', '=', policy)))
          .$call(ifGiven(after, (query, last) => query.where('id', '>', last)))
          .orderBy('id')
          .limit(rowsFor(page))
          .execute(),
      wait,
    );
    return pageOf(rows, page, toSledRecord, ({ id }) => id);
  };
