/** What a sled reports of itself, on the wire of the operator's API, which shows it as the sled agent's API does. */
import type { SledView } from '../../api/operator-fleet-api.ts';
import type {
  ArtifactDeletion,
  ArtifactLease,
  CopyFailure,
  CopyInFlight,
  DeferredDeletion,
  QuarantinedFile,
  ScrubProgress,
} from '../../core/sled-report.ts';
import { isoTime } from '../../lib/clock.ts';

type Item<K extends keyof SledView> = SledView[K] extends readonly (infer T)[] ? T : never;

export const copyInFlightView = (copy: CopyInFlight): Item<'copies_in_flight'> => ({
  sha256: copy.sha256,
  depot_base_url: copy.depotBaseUrl,
  received_bytes: copy.receivedBytes,
  ...(copy.sizeBytes !== undefined && { size_bytes: copy.sizeBytes }),
  time_started: isoTime(copy.timeStartedMs),
});

export const copyFailureView = (failure: CopyFailure): Item<'copies_failed'> => ({
  sha256: failure.sha256,
  depot_base_url: failure.depotBaseUrl,
  error_code: failure.errorCode,
  message: failure.message,
  time: isoTime(failure.timeMs),
});

export const deletionView = ({ timeMs, ...deletion }: ArtifactDeletion): Item<'deletions'> => ({
  ...deletion,
  time: isoTime(timeMs),
});

export const deferredView = ({ sha256, reason, leases }: DeferredDeletion): Item<'deletions_deferred'> => ({
  sha256,
  reason,
  ...(leases !== undefined && { leases: leases.map(leaseView) }),
});

const leaseView = (lease: ArtifactLease) => ({
  sha256: lease.sha256,
  id: lease.id,
  ...(lease.holder !== undefined && { holder: lease.holder }),
  term_s: lease.termS,
  time_expires: isoTime(lease.timeExpiresMs),
  remaining_s: lease.remainingS,
});

export const quarantinedView = (file: QuarantinedFile): Item<'quarantined'> => ({
  sha256: file.sha256,
  dataset_id: file.datasetId,
  reason: file.reason,
  time: isoTime(file.timeMs),
});

export const scrubView = (scrub: ScrubProgress): NonNullable<SledView['scrub']> => ({
  cycle_started: isoTime(scrub.cycleStartedMs),
  cycles_completed: scrub.cyclesCompleted,
  files_done: scrub.filesDone,
  files_total: scrub.filesTotal,
  bytes_done: scrub.bytesDone,
  ...(scrub.lastCompletedMs !== undefined && { last_completed: isoTime(scrub.lastCompletedMs) }),
  ...(scrub.lastBad !== undefined && {
    last_bad: {
      sha256: scrub.lastBad.sha256,
      reason: scrub.lastBad.reason,
      time: isoTime(scrub.lastBad.timeMs),
    },
  }),
});
