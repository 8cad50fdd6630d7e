import { sql } from 'kysely';
import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';

/** A drop whose round counted the sled must not succeed once it is expunged: no drop in flight finds its nonce (S23, G4). */
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
        if (before.policy !== policy)
          await db
            .updateTable('sled')
            .set({ policy, time_expunged: policy === 'expunged' ? sql<Date>`now()` : null })
            .where('id', '=', id)
            .execute();
        if (policy === 'expunged') await db.updateTable('nexus').set({ round_nonce: null }).execute();
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
