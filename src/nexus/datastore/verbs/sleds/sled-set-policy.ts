import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';

export const sledSetPolicy =
  (transactions: Transactions): SledPort['sledSetPolicy'] =>
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
