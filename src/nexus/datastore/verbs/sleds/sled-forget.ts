import type { SledId } from '../../../../core/ids.ts';
import { databaseNow } from '../../database-time.ts';
import { forgettableJoined, requireForgettable } from '../../decisions/registration.ts';
import type { ForgottenSled, SledPort } from '../../ports/sled-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { deletePlainApproval } from './plain-rows.ts';

export const sledForget =
  (transactions: Transactions): SledPort['sledForget'] =>
  async (id, fleet, { audit, signal }) => {
    // Of the first attempt too, which may have been committed.
    let forgotten: ForgottenSled | undefined;
    await transactions.write(
      'sled_forget',
      async (db, attempt) => {
        const known = await readForgettable(db, id);
        const moment = { ...attempt, nowMs: known?.nowMs ?? 0 };
        if (!requireForgettable(id, known, fleet, moment) || known === undefined) return;
        await db.deleteFrom('sled').where('id', '=', id).execute();
        await db.deleteFrom('sled_key').where('sled_id', '=', id).execute();
        await deletePlainApproval(db, id);
        forgotten = known.forgotten;
        await appendAudit(db, audit, { kind: 'sled_forgotten', sledId: id, ...forgotten }, attempt);
      },
      { signal },
    );
    return forgotten;
  };

/** A sled that joined may be expunged before it has a row. */
const readForgettable = async (db: Database, id: SledId) => {
  const row = await db
    .selectFrom('sled')
    .select(['policy', 'serial', 'sled_agent_address', 'time_last_registered', 'time_expunged'])
    .select(databaseNow.as('now_ms'))
    .where('id', '=', id)
    .executeTakeFirst();
  if (row !== undefined)
    return {
      policy: row.policy,
      timeLastRegisteredMs: row.time_last_registered,
      timeExpungedMs: row.time_expunged ?? undefined,
      nowMs: row.now_ms,
      forgotten: { serial: row.serial, address: row.sled_agent_address },
    };
  const key = await db
    .selectFrom('sled_key')
    .select(['time_joined', 'time_expunged'])
    .select(databaseNow.as('now_ms'))
    .where('sled_id', '=', id)
    .where('time_replaced', 'is', null)
    .executeTakeFirst();
  return (
    key && {
      ...forgettableJoined({ timeJoinedMs: key.time_joined, timeExpungedMs: key.time_expunged }),
      nowMs: key.now_ms,
      forgotten: { serial: '', address: '' },
    }
  );
};
