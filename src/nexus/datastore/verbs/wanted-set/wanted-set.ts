import type { WantedSetPort } from '../../ports/wanted-set-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readWantedSet } from './wanted-set-rows.ts';

export const wantedSet =
  (transactions: Transactions): WantedSetPort['wantedSet'] =>
  ({ claims, ...wait }) =>
    transactions.read('wanted_set', db => readWantedSet(db, claims), wait);
