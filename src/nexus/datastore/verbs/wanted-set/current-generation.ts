import type { WantedSetPort } from '../../ports/wanted-set-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readGeneration } from './wanted-set-rows.ts';

export const currentGeneration =
  (transactions: Transactions): WantedSetPort['currentGeneration'] =>
  wait =>
    transactions.read('current_generation', readGeneration, wait);
