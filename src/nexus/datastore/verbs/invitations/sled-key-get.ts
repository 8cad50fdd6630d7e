import type { InvitationPort } from '../../ports/invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { toKeyRecord } from './invitation-rows.ts';

export const sledKeyGet =
  (transactions: Transactions): InvitationPort['sledKeyGet'] =>
  (id, wait) =>
    transactions.read(
      'sled_key_get',
      async db => {
        const row = await db
          .selectFrom('sled_key')
          .selectAll()
          .where('sled_id', '=', id)
          .where('time_replaced', 'is', null)
          .executeTakeFirst();
        return row && toKeyRecord(row);
      },
      wait,
    );
