import type { SledPort } from '../../ports/sled-port.ts';
import { toSledRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';

export const sledGet =
  (transactions: Transactions): SledPort['sledGet'] =>
  (id, wait) =>
    transactions.read(
      'sled_get',
      async db => {
        const row = await db.selectFrom('sled').selectAll().where('id', '=', id).executeTakeFirst();
        return row && toSledRecord(row);
      },
      wait,
    );
