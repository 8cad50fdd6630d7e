import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { changePolicy } from './change-policy.ts';

export const sledSetPolicy =
  (transactions: Transactions): SledPort['sledSetPolicy'] =>
  (id, policy, { audit, signal }) =>
    transactions.write(
      'sled_set_policy',
      async (db, attempt) => {
        const before = await db
          .selectFrom('sled')
          .select(['policy', 'serial'])
          .where('id', '=', id)
          .executeTakeFirst();
        if (before === undefined) return false;
        await changePolicy(db, { id, policy: before.policy }, policy);
        const { policy: previousPolicy, serial } = before;
        await appendAudit(
          db,
          audit,
          { kind: 'sled_policy_set', sledId: id, serial, policy, previousPolicy },
          attempt,
        );
        return true;
      },
      { signal },
    );
