import type { Datastore } from '../datastore.ts';
import type { Transactions } from '../transactions.ts';
import { readWantedSet } from '../wanted-set.ts';

export const wantedSet =
  (transactions: Transactions): Datastore['wantedSet'] =>
  ({ claims, ...wait }) =>
    transactions.read('wanted_set', db => readWantedSet(db, claims), wait);
