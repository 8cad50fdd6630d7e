import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readPlainAddress } from './plain-rows.ts';

export const sledPlainAddress =
  (transactions: Transactions): SledPort['sledPlainAddress'] =>
  (id, wait) =>
    transactions.read('sled_plain_address', db => readPlainAddress(db, id), wait);
