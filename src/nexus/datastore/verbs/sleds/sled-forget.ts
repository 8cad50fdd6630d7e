import { requireForgettable } from '../../decisions/registration.ts';
import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';

export const sledForget =
  (transactions: Transactions): SledPort['sledForget'] =>
  (id, wait) =>
    transactions.write(
      'sled_forget',
      async (db, { repeated }) => {
        const row = await db.selectFrom('sled').select('policy').where('id', '=', id).executeTakeFirst();
        if (!requireForgettable(id, row?.policy, { repeated })) return;
        await db.deleteFrom('sled').where('id', '=', id).execute();
      },
      wait,
    );
