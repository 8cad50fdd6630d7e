import { sql } from 'kysely';
import { keyInvitationSha256 } from '../../../../identity/invitation-token.ts';
import type { InvitationPort } from '../../ports/invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';

export const keyDeny =
  (transactions: Transactions): InvitationPort['keyDeny'] =>
  (publicKeySha256, { audit, signal }) =>
    transactions.write(
      'key_deny',
      async (db, attempt) => {
        const denied = await db
          .insertInto('sled_key_denied')
          .values({ public_key_sha256: publicKeySha256 })
          .onConflict(conflict => conflict.column('public_key_sha256').doNothing())
          .returning('public_key_sha256')
          .executeTakeFirst();
        if (denied === undefined && !attempt.repeated) return;
        await db
          .updateTable('sled_invitation')
          .set({ time_expires: sql<Date>`now()` })
          .where('sha256', '=', keyInvitationSha256(publicKeySha256))
          .where('time_used', 'is', null)
          .where('time_expires', '>', sql<number>`now()`)
          .execute();
        await appendAudit(db, audit, { kind: 'join_key_denied', publicKeySha256 }, attempt);
      },
      { signal },
    );
