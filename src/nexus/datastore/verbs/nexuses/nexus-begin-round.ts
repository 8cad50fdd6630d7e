import type { NexusPort } from '../../ports/nexus-port.ts';
import type { Transactions } from '../../transactions.ts';

export const nexusBeginRound =
  (transactions: Transactions): NexusPort['nexusBeginRound'] =>
  (id, nonce, wait) =>
    transactions.write(
      'nexus_begin_round',
      async db => {
        const { numUpdatedRows } = await db
          .updateTable('nexus')
          .set({ round_nonce: nonce })
          .where('id', '=', id)
          .executeTakeFirstOrThrow();
        return numUpdatedRows === 1n;
      },
      wait,
    );
