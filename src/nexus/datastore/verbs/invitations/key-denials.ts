import { MAX_LISTED_DENIALS } from '../../decisions/join.ts';
import type { InvitationPort } from '../../ports/invitation-port.ts';
import type { Transactions } from '../../transactions.ts';

export const keyDenialList =
  (transactions: Transactions): InvitationPort['keyDenialList'] =>
  wait =>
    transactions.read(
      'key_denial_list',
      async db => {
        const rows = await db
          .selectFrom('sled_key_denied')
          .selectAll()
          .orderBy('time_denied', 'desc')
          .orderBy('public_key_sha256')
          .limit(MAX_LISTED_DENIALS)
          .execute();
        return rows.map(row => ({ publicKeySha256: row.public_key_sha256, timeDeniedMs: row.time_denied }));
      },
      wait,
    );

export const isKeyDenied =
  (transactions: Transactions): InvitationPort['isKeyDenied'] =>
  (publicKeySha256, wait) =>
    transactions.read(
      'is_key_denied',
      async db => {
        const row = await db
          .selectFrom('sled_key_denied')
          .select('public_key_sha256')
          .where('public_key_sha256', '=', publicKeySha256)
          .executeTakeFirst();
        return row !== undefined;
      },
      wait,
    );
