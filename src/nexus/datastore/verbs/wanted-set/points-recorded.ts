import type { WantedSetPort } from '../../ports/wanted-set-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readRecordedPoints } from './point-rows.ts';
import { readGeneration } from './wanted-set-rows.ts';

export const pointsRecorded =
  (transactions: Transactions): WantedSetPort['pointsRecorded'] =>
  (claims, wait) =>
    transactions.read(
      'points_recorded',
      async db => ({ current: await readGeneration(db), lineage: await readRecordedPoints(db, claims) }),
      wait,
    );
