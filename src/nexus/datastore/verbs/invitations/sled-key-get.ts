import type { InvitationPort } from '../../ports/invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readKey } from './invitation-rows.ts';

export const sledKeyGet =
  (transactions: Transactions): InvitationPort['sledKeyGet'] =>
  (publicKeySha256, wait) =>
    transactions.read('sled_key_get', db => readKey(db, publicKeySha256), wait);
