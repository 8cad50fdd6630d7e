import { sql } from 'kysely';
import { databaseNow } from '../../database-time.ts';
import { isInvitationOpen } from '../../decisions/join.ts';
import type { NexusInvitationPort } from '../../ports/nexus-invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { toNexusInvitation } from './nexus-invitation-rows.ts';

export const nexusInvitationEnd =
  (transactions: Transactions): NexusInvitationPort['nexusInvitationEnd'] =>
  (id, { audit, signal }) =>
    transactions.write(
      'nexus_invitation_end',
      async (db, attempt) => {
        const row = await db
          .selectFrom('nexus_invitation')
          .selectAll()
          .select(databaseNow.as('now_ms'))
          .where('id', '=', id)
          .executeTakeFirst();
        if (row === undefined) return false;
        if (!isInvitationOpen(toNexusInvitation(row), row.now_ms))
          return attempt.repeated && row.time_used === null;
        await db
          .updateTable('nexus_invitation')
          .set({ time_expires: sql<Date>`now()` })
          .where('id', '=', id)
          .execute();
        const action = {
          kind: 'nexus_invitation_ended',
          invitationId: id,
          invitedNexusId: row.nexus_id,
        } as const;
        await appendAudit(db, audit, action, attempt);
        return true;
      },
      { signal },
    );
