import type { SledPort } from '../../ports/sled-port.ts';
import { toSledRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { selectSleds } from './plain-rows.ts';

export const sledGet =
  (transactions: Transactions): SledPort['sledGet'] =>
  (id, wait) =>
    transactions.read(
      'sled_get',
      async db => {
        const row = await selectSleds(db).where('id', '=', id).executeTakeFirst();
        return row && toSledRecord(row);
      },
      wait,
    );
