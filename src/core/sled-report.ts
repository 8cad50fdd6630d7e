/**
 * What a sled reports of itself: the answer of one sled to "what do you hold?", whatever carried it.
 *
 * Times are of the sled's wall clock: for people and for the order of one sled's own events, never compared with another
 * clock to decide anything. What only our sled agents report is optional, or empty for the others.
 */
import type { DatasetFault } from './facts/reason.ts';
import type {
  ArtifactHash,
  DatasetId,
  Generation,
  IncarnationId,
  LeaseId,
  Point,
  SystemVersion,
} from './ids.ts';
import type { BundleReport, TrustReport } from './release-trust.ts';

export type SledReport = {
  readonly generation: Generation;
  /** Of the wanted set at that generation; absent for a sled agent that does not compare points (P13). */
  readonly digest: string | undefined;
  /** Whether the sled has adopted a config that named its predecessor (P13). */
  readonly hasLineage: boolean;
  /** Of the config's artifacts, the number of datasets that hold each at the right length; 0 is possible. */
  readonly copies: ReadonlyMap<ArtifactHash, number>;
  /** Keys of the answer that are no hashes. */
  readonly bogusHashes: readonly string[];
  /** Usable now. */
  readonly datasets: number | undefined;
  readonly datasetHealth: readonly DatasetHealth[] | undefined;
  readonly incarnationId: IncarnationId | undefined;
  /** Of other histories, whose sets are kept until a recovery has decided on them. */
  readonly pointsKept: readonly Point[] | undefined;
  /** Present while the sled deletes nothing. */
  readonly deletionsHeld: { readonly reason: string; readonly timeMs: number } | undefined;
  readonly copiesInFlight: readonly CopyInFlight[];
  readonly copiesDoneTotal: number;
  readonly copiesFailedTotal: number;
  /** The latest, not all of the total. */
  readonly copiesFailed: readonly CopyFailure[];
  readonly deletionsTotal: number;
  /** The latest, not all of the total. */
  readonly deletions: readonly ArtifactDeletion[];
  readonly deletionsDeferred: readonly DeferredDeletion[];
  /** Present while some wait (T4). */
  readonly deletionsWaiting: WaitingDeletions | undefined;
  /** Present while some are beyond the limit of what may be deleted within a day. */
  readonly deletionsLimited: WaitingDeletions | undefined;
  /** In force, for any artifact. */
  readonly leasesTotal: number;
  readonly quarantined: readonly QuarantinedFile[];
  readonly scrub: ScrubProgress | undefined;
  /** Whether the sled stores and serves only what a verified bundle lists; undefined from a sled agent without that. */
  readonly requiresSigned?: boolean | undefined;
  /** Of the releases of the config in force. */
  readonly bundles?: readonly BundleReport[] | undefined;
  /** Artifacts of the config in force that no admitted bundle lists; `copies` has none of them. */
  readonly withheld?: ReadonlySet<ArtifactHash> | undefined;
  /** What the sled has pinned. */
  readonly trust?: TrustReport | undefined;
  /** By which the sled can say that this report is still right; absent from a sled agent without that. */
  readonly tag?: string | undefined;
  /** The release that the machine runs, if it says so. */
  readonly runningVersion?: SystemVersion | undefined;
};

/** On how many datasets a sled has stored an artifact, of those that took part. */
export type PutResult = { readonly datasets: number; readonly successfulWrites: number };

/** How the last copy of an artifact on a sled ended; `unknown` of one from before the start of its agent. */
export type CopyOutcome =
  | ({ readonly kind: 'stored' } & PutResult)
  | ({ readonly kind: 'failed' } & CopyFailure)
  | { readonly kind: 'in_flight' | 'unknown' };

export type DatasetHealth = {
  readonly id: DatasetId | null;
  /** The directory, as configured. */
  readonly path: string;
  readonly state: 'ok' | DatasetFault;
  readonly message?: string | undefined;
  readonly usedBytes?: number | undefined;
  readonly quotaBytes?: number | undefined;
  readonly freeBytes?: number | undefined;
  /** Of unlisted artifacts that are deleted by themselves within minutes. */
  readonly reclaimableBytes?: number | undefined;
  /** Of unlisted artifacts that something else keeps. */
  readonly retainedBytes?: number | undefined;
  /** Copies found bad and kept as evidence: how many, and when the last one was found. */
  readonly quarantined?: number | undefined;
  readonly timeLastQuarantinedMs?: number | undefined;
};

export type CopyInFlight = {
  readonly sha256: ArtifactHash;
  readonly depotBaseUrl: string;
  readonly receivedBytes: number;
  readonly sizeBytes?: number | undefined;
  readonly timeStartedMs: number;
};

export type CopyFailure = {
  readonly sha256: ArtifactHash;
  readonly depotBaseUrl: string;
  readonly errorCode: string;
  readonly message: string;
  readonly timeMs: number;
};

export type ArtifactDeletion = {
  readonly sha256: ArtifactHash;
  readonly generation: Generation;
  readonly reason: string;
  readonly timeMs: number;
};

export type ArtifactLease = {
  readonly sha256: ArtifactHash;
  readonly id: LeaseId;
  readonly holder?: string | undefined;
  readonly termMs: number;
  readonly timeExpiresMs: number;
  readonly remainingMs: number;
};

/** No config lists it, and it is kept since it is in use (B6). */
export type DeferredDeletion = {
  readonly sha256: ArtifactHash;
  readonly reason: string;
  readonly leases?: readonly ArtifactLease[] | undefined;
};

/** Artifacts that no config lists, until their waits are over. */
export type WaitingDeletions = {
  readonly artifacts: number;
  readonly sizeBytes: number;
  /** Those that go first. */
  readonly first: readonly WaitingDeletion[];
};

export type WaitingDeletion = {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  readonly remainingMs: number;
};

export type QuarantinedFile = {
  readonly sha256: ArtifactHash;
  readonly datasetId: DatasetId;
  readonly reason: string;
  readonly timeMs: number;
};

/** How far the sled is in hashing every stored file again (G5). */
export type ScrubProgress = {
  readonly cycleStartedMs: number;
  readonly cyclesCompleted: number;
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly bytesDone: number;
  readonly lastCompletedMs?: number | undefined;
  readonly lastBad?:
    | { readonly sha256: ArtifactHash; readonly reason: string; readonly timeMs: number }
    | undefined;
};
