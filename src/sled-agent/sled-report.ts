/** What the store and the copies of this sled know, as one report. */
import type { Generation } from '../core/ids.ts';
import type { SledReport, WaitingDeletions } from '../core/sled-report.ts';
import type { CopyReport } from './copy.ts';
import type { StoreListing } from './store/store.ts';

export const reportOf = (listing: StoreListing, generation: Generation, copies: CopyReport): SledReport => ({
  generation,
  digest: listing.configDigest,
  hasLineage: listing.hasLineage,
  copies: listing.artifacts,
  bogusHashes: [],
  datasets: listing.datasets,
  datasetHealth: listing.datasetHealth,
  incarnationId: listing.incarnationId,
  pointsKept: listing.pointsKept,
  deletionsHeld: listing.hold,
  copiesInFlight: copies.inFlight,
  copiesDoneTotal: copies.completedTotal,
  copiesFailedTotal: copies.failedTotal,
  copiesFailed: copies.failed,
  deletionsTotal: listing.deletionsTotal,
  deletions: listing.deletions,
  deletionsDeferred: listing.deletionsDeferred,
  deletionsWaiting: someOf(listing.deletionsWaiting),
  deletionsLimited: someOf(listing.deletionsLimited),
  leasesTotal: listing.leasesTotal,
  quarantined: listing.quarantined,
  scrub: listing.scrub,
  ...listing.releases,
});

const someOf = (waiting: WaitingDeletions): WaitingDeletions | undefined =>
  waiting.artifacts > 0 ? waiting : undefined;
