import type { Datastore } from '../datastore.ts';
import type { Transactions } from '../transactions.ts';

export const sledSetPolicy =
  (transactions: Transactions): Datastore['sledSetPolicy'] =>
  (id, policy, wait) =>
    transactions.write(
      'sled_set_policy',
      async db => {
        const { numUpdatedRows } = await db
          .updateTable('sled')
          .set({ policy })
          .where('id', '=', id)
          .executeTakeFirstOrThrow();
        return numUpdatedRows > 0n;
      },
      wait,
    );
