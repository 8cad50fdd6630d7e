import { readDatabaseMs } from '../../database-time.ts';
import { MAX_LISTED_INVITATIONS } from '../../decisions/join.ts';
import type { NexusInvitationPort } from '../../ports/nexus-invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { toNexusInvitation } from './nexus-invitation-rows.ts';

export const nexusInvitationList =
  (transactions: Transactions): NexusInvitationPort['nexusInvitationList'] =>
  wait =>
    transactions.read(
      'nexus_invitation_list',
      async db => {
        const databaseMs = await readDatabaseMs(db);
        const rows = await db
          .selectFrom('nexus_invitation')
          .selectAll()
          .orderBy('time_created', 'desc')
          .orderBy('id')
          .limit(MAX_LISTED_INVITATIONS)
          .execute();
        return { databaseMs, invitations: rows.map(toNexusInvitation) };
      },
      wait,
    );
