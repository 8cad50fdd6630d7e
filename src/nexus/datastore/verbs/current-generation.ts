import type { Datastore } from '../datastore.ts';
import type { Transactions } from '../transactions.ts';
import { readGeneration } from '../wanted-set.ts';

export const currentGeneration =
  (transactions: Transactions): Datastore['currentGeneration'] =>
  wait =>
    transactions.read('current_generation', readGeneration, wait);
