import { requireForgettable } from '../../decisions/registration.ts';
import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';

export const sledForget =
  (transactions: Transactions): SledPort['sledForget'] =>
  (id, { audit, signal }) =>
    transactions.write(
      'sled_forget',
      async (db, attempt) => {
        const row = await db
          .selectFrom('sled')
          .select(['policy', 'serial', 'sled_agent_address'])
          .where('id', '=', id)
          .executeTakeFirst();
        if (!requireForgettable(id, row?.policy, attempt) || row === undefined) return;
        await db.deleteFrom('sled').where('id', '=', id).execute();
        const { serial, sled_agent_address: address } = row;
        await appendAudit(db, audit, { kind: 'sled_forgotten', sledId: id, serial, address }, attempt);
      },
      { signal },
    );
