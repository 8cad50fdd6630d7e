import { readDatabaseMs } from '../../database-time.ts';
import type { InvitationPort } from '../../ports/invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readPolicy } from '../sleds/policy-rows.ts';
import { readCurrentKey, readKey } from './invitation-rows.ts';

export const sledKeyGet =
  (transactions: Transactions): InvitationPort['sledKeyGet'] =>
  (sledId, publicKeySha256, wait) =>
    transactions.read(
      'sled_key_get',
      async db => ({
        policy: await readPolicy(db, sledId),
        key: await readKey(db, publicKeySha256),
        current: await readCurrentKey(db, sledId),
        nowMs: await readDatabaseMs(db),
      }),
      wait,
    );
