import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readBundle } from './bundle-rows.ts';

export const bundleOfRepo =
  (transactions: Transactions): ReleasePort['bundleOfRepo'] =>
  (repoId, wait) =>
    transactions.read('bundle_of_repo', db => readBundle(db, repoId), wait);
