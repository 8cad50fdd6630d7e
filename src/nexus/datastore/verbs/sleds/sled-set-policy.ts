import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { changePolicy, readJoinedPolicy } from './policy-rows.ts';

export const sledSetPolicy =
  (transactions: Transactions): SledPort['sledSetPolicy'] =>
  (id, policy, { audit, signal }) =>
    transactions.write(
      'sled_set_policy',
      async (db, attempt) => {
        const row = await db
          .selectFrom('sled')
          .select(['policy', 'serial'])
          .where('id', '=', id)
          .executeTakeFirst();
        const previousPolicy = row?.policy ?? (await readJoinedPolicy(db, id));
        if (previousPolicy === undefined) return false;
        await changePolicy(db, { id, policy: previousPolicy }, policy);
        const { serial = '' } = row ?? {};
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
