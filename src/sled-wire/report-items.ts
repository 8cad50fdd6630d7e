/** The items of a sled's list, which the operator's API shows in the same shapes. Unknown fields are omitted. */
import type { z } from 'zod';
import {
  type ArtifactDeletion as ArtifactDeletionBody,
  type ArtifactLease as ArtifactLeaseBody,
  type DeferredDeletion as DeferredDeletionBody,
  MAX_LISTED_EVENTS,
  MAX_LISTED_LEASES,
  type QuarantinedFile as QuarantinedFileBody,
  type ScrubProgress as ScrubProgressBody,
  type WaitingDeletion as WaitingDeletionBody,
  type WaitingDeletions as WaitingDeletionsBody,
} from '../api/sled-agent-api.ts';
import type {
  CopyFailure as CopyFailureBody,
  CopyInFlight as CopyInFlightBody,
} from '../api/transfer-api.ts';
import type {
  ArtifactDeletion,
  ArtifactLease,
  CopyFailure,
  CopyInFlight,
  DeferredDeletion,
  QuarantinedFile,
  ScrubProgress,
  SledReport,
  WaitingDeletion,
  WaitingDeletions,
} from '../core/sled-report.ts';
import { isoTime, msOfIso } from '../lib/clock.ts';

type Body<T extends z.ZodType> = z.infer<T>;

export const copyInFlightOf = (copy: Body<typeof CopyInFlightBody>): CopyInFlight => ({
  sha256: copy.sha256,
  depotBaseUrl: copy.depot_base_url,
  receivedBytes: copy.received_bytes,
  sizeBytes: copy.size_bytes,
  timeStartedMs: msOfIso(copy.time_started),
});

export const copyInFlightBody = (copy: CopyInFlight): Body<typeof CopyInFlightBody> => ({
  sha256: copy.sha256,
  depot_base_url: copy.depotBaseUrl,
  received_bytes: copy.receivedBytes,
  ...(copy.sizeBytes !== undefined && { size_bytes: copy.sizeBytes }),
  time_started: isoTime(copy.timeStartedMs),
});

export const copyFailureOf = (failure: Body<typeof CopyFailureBody>): CopyFailure => ({
  sha256: failure.sha256,
  depotBaseUrl: failure.depot_base_url,
  errorCode: failure.error_code,
  message: failure.message,
  timeMs: msOfIso(failure.time),
});

export const copyFailureBody = (failure: CopyFailure): Body<typeof CopyFailureBody> => ({
  sha256: failure.sha256,
  depot_base_url: failure.depotBaseUrl,
  error_code: failure.errorCode,
  message: failure.message,
  time: isoTime(failure.timeMs),
});

export const deletionOf = ({ time, ...deletion }: Body<typeof ArtifactDeletionBody>): ArtifactDeletion => ({
  ...deletion,
  timeMs: msOfIso(time),
});

export const deletionBody = ({
  timeMs,
  ...deletion
}: ArtifactDeletion): Body<typeof ArtifactDeletionBody> => ({
  ...deletion,
  time: isoTime(timeMs),
});

export const deferredOf = ({ sha256, reason, leases }: DeferredDeletionBody): DeferredDeletion => ({
  sha256,
  reason,
  leases: leases?.map(leaseOf),
});

export const deferredBody = ({ sha256, reason, leases }: DeferredDeletion): DeferredDeletionBody => ({
  sha256,
  reason,
  ...(leases !== undefined && { leases: leases.slice(0, MAX_LISTED_LEASES).map(leaseBody) }),
});

export const waitingOf = ({ artifacts, size_bytes, first }: WaitingDeletionsBody): WaitingDeletions => ({
  artifacts,
  sizeBytes: size_bytes,
  first: first.map(waitingDeletionOf),
});

export const waitingBody = ({ artifacts, sizeBytes, first }: WaitingDeletions): WaitingDeletionsBody => ({
  artifacts,
  size_bytes: sizeBytes,
  first: first.slice(0, MAX_LISTED_EVENTS).map(waitingDeletionBody),
});

const waitingDeletionOf = ({ sha256, size_bytes, remaining_s }: WaitingDeletionBody): WaitingDeletion => ({
  sha256,
  sizeBytes: size_bytes,
  remainingMs: Math.round(remaining_s * 1_000),
});

export const waitingDeletionBody = ({
  sha256,
  sizeBytes,
  remainingMs,
}: WaitingDeletion): WaitingDeletionBody => ({
  sha256,
  size_bytes: sizeBytes,
  remaining_s: remainingMs / 1_000,
});

export const leaseOf = ({ sha256, id, holder, ...lease }: ArtifactLeaseBody): ArtifactLease => ({
  sha256,
  id,
  holder,
  termMs: lease.term_s * 1_000,
  timeExpiresMs: msOfIso(lease.time_expires),
  remainingMs: Math.round(lease.remaining_s * 1_000),
});

export const leaseBody = ({ sha256, id, holder, ...lease }: ArtifactLease): ArtifactLeaseBody => ({
  sha256,
  id,
  ...(holder !== undefined && { holder }),
  term_s: Math.ceil(lease.termMs / 1_000),
  time_expires: isoTime(lease.timeExpiresMs),
  remaining_s: lease.remainingMs / 1_000,
});

export const quarantinedOf = ({
  sha256,
  dataset_id,
  reason,
  time,
}: QuarantinedFileBody): QuarantinedFile => ({
  sha256,
  datasetId: dataset_id,
  reason,
  timeMs: msOfIso(time),
});

export const quarantinedBody = ({
  sha256,
  datasetId,
  reason,
  timeMs,
}: QuarantinedFile): QuarantinedFileBody => ({
  sha256,
  dataset_id: datasetId,
  reason,
  time: isoTime(timeMs),
});

export const scrubOf = (scrub: ScrubProgressBody): ScrubProgress => ({
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

export const scrubBody = (scrub: ScrubProgress): ScrubProgressBody => ({
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

type Held = NonNullable<SledReport['deletionsHeld']>;
type HeldBody = { readonly reason: string; readonly time: string };

export const heldOf = ({ reason, time }: HeldBody): Held => ({ reason, timeMs: msOfIso(time) });

export const heldBody = ({ reason, timeMs }: Held): HeldBody => ({ reason, time: isoTime(timeMs) });
