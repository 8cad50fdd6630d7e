import { readDatabaseMs } from '../../database-time.ts';
import { MAX_LISTED_INVITATIONS } from '../../decisions/join.ts';
import type { InvitationPort } from '../../ports/invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { toInvitationRecord } from './invitation-rows.ts';

export const invitationList =
  (transactions: Transactions): InvitationPort['invitationList'] =>
  wait =>
    transactions.read(
      'invitation_list',
      async db => {
        const databaseMs = await readDatabaseMs(db);
        const rows = await db
          .selectFrom('sled_invitation')
          .leftJoin('sled_key', 'sled_key.public_key_sha256', 'sled_invitation.public_key_sha256')
          .selectAll('sled_invitation')
          .select('sled_key.sled_id as joined_sled_id')
          .orderBy('time_created', 'desc')
          .orderBy('id')
          .limit(MAX_LISTED_INVITATIONS)
          .execute();
        const invitations = rows.map(row => ({
          ...toInvitationRecord(row),
          joinedSledId: row.joined_sled_id,
        }));
        return { databaseMs, invitations };
      },
      wait,
    );
