import type { TargetReleasePort } from '../../ports/target-release-port.ts';
import type { Transactions } from '../../transactions.ts';
import { currentTarget, toTargetRecord } from './target-rows.ts';

export const targetReleaseGet =
  (transactions: Transactions): TargetReleasePort['targetReleaseGet'] =>
  wait =>
    transactions.read('target_release_get', async db => toTargetRecord(db, await currentTarget(db)), wait);
