import { databaseNow } from '../../database-time.ts';
import { requireForgettable } from '../../decisions/registration.ts';
import type { ForgottenSled, SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';

export const sledForget =
  (transactions: Transactions): SledPort['sledForget'] =>
  async (id, fleet, { audit, signal }) => {
    // Of the first attempt too, which may have been committed.
    let forgotten: ForgottenSled | undefined;
    await transactions.write(
      'sled_forget',
      async (db, attempt) => {
        const row = await db
          .selectFrom('sled')
          .select(['policy', 'serial', 'sled_agent_address', 'time_last_registered', 'time_expunged'])
          .select(databaseNow.as('now_ms'))
          .where('id', '=', id)
          .executeTakeFirst();
        const known = row && {
          policy: row.policy,
          timeLastRegisteredMs: row.time_last_registered,
          timeExpungedMs: row.time_expunged ?? undefined,
        };
        const moment = { ...attempt, nowMs: row?.now_ms ?? 0 };
        if (!requireForgettable(id, known, fleet, moment) || row === undefined) return;
        await db.deleteFrom('sled').where('id', '=', id).execute();
        await db.deleteFrom('sled_key').where('sled_id', '=', id).execute();
        forgotten = { serial: row.serial, address: row.sled_agent_address };
        await appendAudit(db, audit, { kind: 'sled_forgotten', sledId: id, ...forgotten }, attempt);
      },
      { signal },
    );
    return forgotten;
  };
