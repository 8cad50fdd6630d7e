import { asGeneration } from './ids.ts';
import type { SledReport } from './sled-report.ts';

/** The report of an empty sled, with the given fields. */
export const sledReport = (differing: Partial<SledReport> = {}): SledReport => ({
  generation: asGeneration(2),
  digest: undefined,
  hasLineage: false,
  copies: new Map(),
  bogusHashes: [],
  datasets: undefined,
  datasetHealth: undefined,
  incarnationId: undefined,
  pointsKept: undefined,
  deletionsHeld: undefined,
  copiesInFlight: [],
  copiesDoneTotal: 0,
  copiesFailedTotal: 0,
  copiesFailed: [],
  deletionsTotal: 0,
  deletions: [],
  deletionsDeferred: [],
  deletionsWaiting: undefined,
  deletionsLimited: undefined,
  leasesTotal: 0,
  quarantined: [],
  scrub: undefined,
  ...differing,
});
