/** A list of the sled agent's API becomes a report: times in milliseconds, and bogus hashes apart from hashes. */
import type { z } from 'zod';
import type {
  ArtifactDeletion as ArtifactDeletionBody,
  ArtifactLease as ArtifactLeaseBody,
  ArtifactListResponse,
  CopyFailure as CopyFailureBody,
  CopyInFlight as CopyInFlightBody,
  DeferredDeletion as DeferredDeletionBody,
  QuarantinedFile as QuarantinedFileBody,
  ScrubProgress as ScrubProgressBody,
} from '../api/sled-agent-api.ts';
import { type ArtifactHash, isArtifactHash } from '../core/ids.ts';
import type {
  ArtifactDeletion,
  ArtifactLease,
  CopyFailure,
  CopyInFlight,
  DeferredDeletion,
  QuarantinedFile,
  ScrubProgress,
  SledReport,
} from '../core/sled-report.ts';
import { msOfIso } from '../lib/clock.ts';
import { datasetOf } from './dataset.ts';
import { pointOf } from './point.ts';

export const sledReportOf = (list: ArtifactListResponse): SledReport => ({
  generation: list.generation,
  digest: list.config_digest,
  hasLineage: list.lineage ?? false,
  ...copiesOf(list.list),
  datasets: list.datasets,
  datasetHealth: list.dataset_health?.map(datasetOf),
  incarnationId: list.incarnation_id,
  pointsKept: list.points_kept?.map(pointOf),
  deletionsHeld: list.deletions_held && {
    reason: list.deletions_held.reason,
    timeMs: msOfIso(list.deletions_held.time),
  },
  copiesInFlight: (list.copies_in_flight ?? []).map(copyInFlightOf),
  copiesDoneTotal: list.copies_completed_total ?? 0,
  copiesFailedTotal: list.copies_failed_total ?? 0,
  copiesFailed: (list.copies_failed ?? []).map(copyFailureOf),
  deletionsTotal: list.deletions_total ?? 0,
  deletions: (list.deletions ?? []).map(deletionOf),
  deletionsDeferred: (list.deletions_deferred ?? []).map(deferredOf),
  quarantined: (list.quarantined ?? []).map(quarantinedOf),
  scrub: list.scrub && scrubOf(list.scrub),
});

const copiesOf = (list: ArtifactListResponse['list']): Pick<SledReport, 'copies' | 'bogusHashes'> => {
  const copies = new Map<ArtifactHash, number>();
  const bogusHashes: string[] = [];
  for (const [hash, count] of Object.entries(list)) {
    if (isArtifactHash(hash)) copies.set(hash, count);
    else bogusHashes.push(hash);
  }
  return { copies, bogusHashes };
};

const copyInFlightOf = (copy: z.infer<typeof CopyInFlightBody>): CopyInFlight => ({
  sha256: copy.sha256,
  depotBaseUrl: copy.depot_base_url,
  receivedBytes: copy.received_bytes,
  sizeBytes: copy.size_bytes,
  timeStartedMs: msOfIso(copy.time_started),
});

const copyFailureOf = (copy: z.infer<typeof CopyFailureBody>): CopyFailure => ({
  sha256: copy.sha256,
  depotBaseUrl: copy.depot_base_url,
  errorCode: copy.error_code,
  message: copy.message,
  timeMs: msOfIso(copy.time),
});

const deletionOf = ({ time, ...deletion }: z.infer<typeof ArtifactDeletionBody>): ArtifactDeletion => ({
  ...deletion,
  timeMs: msOfIso(time),
});

const deferredOf = ({ sha256, reason, leases }: DeferredDeletionBody): DeferredDeletion => ({
  sha256,
  reason,
  leases: leases?.map(leaseOf),
});

const leaseOf = ({ sha256, id, holder, ...lease }: ArtifactLeaseBody): ArtifactLease => ({
  sha256,
  id,
  holder,
  termS: lease.term_s,
  timeExpiresMs: msOfIso(lease.time_expires),
  remainingS: lease.remaining_s,
});

const quarantinedOf = ({ sha256, dataset_id, reason, time }: QuarantinedFileBody): QuarantinedFile => ({
  sha256,
  datasetId: dataset_id,
  reason,
  timeMs: msOfIso(time),
});

const scrubOf = (scrub: ScrubProgressBody): ScrubProgress => ({
  cycleStartedMs: msOfIso(scrub.cycle_started),
  cyclesCompleted: scrub.cycles_completed,
  filesDone: scrub.files_done,
  filesTotal: scrub.files_total,
  bytesDone: scrub.bytes_done,
  lastCompletedMs: scrub.last_completed === undefined ? undefined : msOfIso(scrub.last_completed),
  lastBad: scrub.last_bad && {
    sha256: scrub.last_bad.sha256,
    reason: scrub.last_bad.reason,
    timeMs: msOfIso(scrub.last_bad.time),
  },
});
