import { sql } from 'kysely';
import { databaseNow } from '../../database-time.ts';
import { isInvitationOpen } from '../../decisions/join.ts';
import type { InvitationPort } from '../../ports/invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { toInvitationRecord } from './invitation-rows.ts';

export const invitationEnd =
  (transactions: Transactions): InvitationPort['invitationEnd'] =>
  (id, { audit, signal }) =>
    transactions.write(
      'invitation_end',
      async (db, attempt) => {
        const row = await db
          .selectFrom('sled_invitation')
          .selectAll()
          .select(databaseNow.as('now_ms'))
          .where('id', '=', id)
          .executeTakeFirst();
        if (row === undefined) return false;
        if (!isInvitationOpen(toInvitationRecord(row), row.now_ms))
          return attempt.repeated && row.time_used === null;
        await db
          .updateTable('sled_invitation')
          .set({ time_expires: sql<Date>`now()` })
          .where('id', '=', id)
          .execute();
        await appendAudit(db, audit, { kind: 'sled_invitation_ended', invitationId: id }, attempt);
        return true;
      },
      { signal },
    );
