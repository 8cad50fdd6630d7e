/**
 * The store of one sled: artifacts by hash, over one directory ("dataset") per disk. This file is the seam
 * that servers, copies and tests build on; `open-store.ts` makes one.
 *
 *     config ─▶ ledger on every dataset ─▶ adopted ─▶ deletion pass ─▶ unlink unwanted artifacts
 *     bytes  ─▶ temporary file on every dataset, hashed once ─▶ fsync ─▶ config asked again ─▶ rename ─▶ fsync the directory
 *
 * ST1. Under an artifact's final name is a whole file that had that hash when it was written, or nothing (G5).
 * ST2. An acknowledged put or config, and a listed artifact, survive a crash or a power cut (G4).
 * ST3. The generation never falls within one incarnation, with any dataset missing for a while (G6, P5).
 * ST4. A wanted artifact is never unlinked, in any interleaving of put, config and deletion pass (G2, P2).
 * ST5. A dataset that is full, read-only, failing or absent affects only its own copies (G8, S16).
 * ST6. A leased artifact is not unlinked, whatever the config lists, until its last lease ends (B6, P11).
 * ST7. An artifact that no config lists is unlinked only after its wait; during it a config takes it back (T4).
 * ST8. Where signatures are required, an artifact that no admitted bundle lists is not stored, listed or served (T3).
 */
import type { ArtifactConfig, OfferedConfig } from '../../core/artifact-config.ts';
import type { AuditHead } from '../../core/audit-chain.ts';
import type { KeptHead } from '../../core/audit-heads.ts';
import type { DeletionRules, JudgedDeletion } from '../../core/deletion.ts';
import type { ArtifactHash, DatasetId, Generation, IncarnationId, LeaseId, Point } from '../../core/ids.ts';
import type { RegisteredHead } from '../../core/lineage.ts';
import type { SizedPrefixes } from '../../core/prefix-digests.ts';
import type { RegistrationAnswer } from '../../core/sled-registration.ts';
import type {
  ArtifactDeletion,
  PutResult,
  QuarantinedFile,
  DatasetHealth as ReportedHealth,
  ScrubProgress,
} from '../../core/sled-report.ts';
import type { ReleaseBundles, ReleaseReport } from './release-trust.ts';

export type ArtifactStore = AsyncDisposable & {
  /** Changes while the store is open only if a returning dataset has a newer ledger of another incarnation. */
  readonly incarnationId: () => IncarnationId;
  readonly state: () => StoreState;
  /** The config of this sled; absent until a first one was adopted. */
  readonly config: () => ArtifactConfig | undefined;
  /**
   * Adopts a config, or finds that the sled has it already. Returns when the ledger is durable and no unlink that an
   * older config decided is in flight.
   *
   * @throws `CONFIG_GENERATION` for a lower generation, one below the floor, an equal one with other artifacts, or one
   *   that lists less and does not succeed the sled's config. If the sled has a config, all deletions are held by then
   * @throws `AWAITING_FLOOR` until {@link acceptFloor}
   * @throws `NO_SPACE`, `NO_USABLE_DATASET` when no dataset took the ledger
   */
  readonly offerConfig: (
    config: OfferedConfig,
    options: { signal: AbortSignal },
  ) => Promise<'adopted' | 'same'>;
  /**
   * The answer to a registration: the lowest generation to adopt (P5), of no effect when there is no doubt, and which
   * points of this sled the database recorded (P13), by their texts; undefined from a control plane without lineage.
   */
  readonly acceptFloor: (floor: Floor, verdicts?: ReadonlyMap<string, boolean> | undefined) => Promise<void>;
  /** The points that a registration asks about. */
  readonly claims: () => readonly RegisteredHead[];
  /** The config of a point that this sled has or keeps. */
  readonly configAt: (point: Point) => ArtifactConfig | undefined;
  /**
   * Begins to store one artifact on every usable dataset. The caller commits or aborts it.
   *
   * @param options.expectedSizeBytes the length that the sender announced, if it did
   * @param options.digest of the wanted set at that generation, compared where it is given (P13)
   * @param options.sender where the bytes come from, for messages
   * @throws `AWAITING_FLOOR`, `NO_ARTIFACT_CONFIG`, `ARTIFACT_GENERATION`, `ARTIFACT_NOT_IN_CONFIG`,
   *   `ARTIFACT_WITHHELD`, `BODY_TOO_LARGE`, `ARTIFACT_HASH_MISMATCH` (a length that cannot be right), `NO_USABLE_DATASET`, `NO_SPACE`
   */
  readonly beginWrite: (
    sha256: ArtifactHash,
    generation: Generation,
    options?: {
      expectedSizeBytes?: number | undefined;
      digest?: string | undefined;
      sender?: string | undefined;
    },
  ) => Promise<ArtifactWriter>;
  /**
   * Tells the prefix digests of a wanted artifact, which writes that begin later compare (WR5).
   *
   * @throws `NO_ARTIFACT_CONFIG`, `ARTIFACT_NOT_IN_CONFIG`, `INVALID_REQUEST` when they do not fit the size
   */
  readonly tellPrefixes: (sha256: ArtifactHash, told: SizedPrefixes) => void;
  /**
   * What a write is receiving; undefined if there is none that can be read before its end (arrivals.ts).
   *
   * @param options.waitMs how long to wait for one to begin, if it could be read then
   */
  readonly openArriving: (
    sha256: ArtifactHash,
    options: { signal: AbortSignal; waitMs?: number },
  ) => Promise<ArrivingArtifact | undefined>;
  /**
   * Opens the first copy of the right length, or that of one dataset.
   *
   * @throws `ARTIFACT_NOT_HELD` when there is none, or it is withheld
   */
  readonly open: (
    sha256: ArtifactHash,
    options?: { datasetId?: DatasetId | undefined },
  ) => Promise<StoredArtifact>;
  readonly list: () => Promise<StoreListing>;
  /**
   * Examines every dataset again (returned? ledger whole?) and removes artifacts that the config does not list. The
   * store runs it by itself at the start and after each new config; call it periodically for leftovers (B10).
   *
   * @param reason goes into the log and the listing
   * @returns how many artifacts were removed
   */
  readonly reconcile: (reason: string, options: { signal: AbortSignal }) => Promise<number>;
  /**
   * Takes a lease on a held artifact, or renews it; resolves when it is durable.
   *
   * @throws `ARTIFACT_NOT_HELD`, `TOO_MANY_LEASES`, `NO_SPACE`, `NO_USABLE_DATASET` when no dataset took it
   */
  /** @param peer the machine that takes it; undefined for a program on this one */
  readonly takeLease: (lease: Lease, peer?: string) => Promise<LeaseInForce>;
  /** Returns a lease; idempotent. @throws `NO_SPACE`, `NO_USABLE_DATASET` */
  readonly returnLease: (sha256: ArtifactHash, id: LeaseId) => Promise<void>;
  /** Those in force, the longest first. */
  readonly leases: (sha256: ArtifactHash) => readonly LeaseInForce[];
  readonly auditHeads: KeptAuditHeads;
  /** Stores a bundle of release metadata that the config names; `ReleaseBundles.put`. */
  readonly putBundle: ReleaseBundles['put'];
  /** Quarantines a copy: kept as evidence, no longer held. Returns false when it no longer exists. */
  readonly quarantine: (sha256: ArtifactHash, datasetId: DatasetId, reason: string) => Promise<boolean>;
  /** For callers that read a wrong copy: it is examined at once, in the background. */
  readonly suspect: (sha256: ArtifactHash, datasetId: DatasetId, because: string) => void;
  /** Calls after each copy that was found bad, until disposed. */
  readonly onCondemned: (listener: () => void) => Disposable;
  readonly scrub: Scrub;
};

/**
 * `awaiting_floor`: a ledger may be missing, so a floor must come first. `awaiting_config`: the floor is known,
 * and a config at or above it has to be offered. Both refuse puts and delete nothing (P5).
 */
export type StoreState =
  | { readonly kind: 'ready' }
  | { readonly kind: 'awaiting_floor'; readonly reason: string }
  | { readonly kind: 'awaiting_config'; readonly floor: Generation; readonly reason: string };

/** Why nothing is deleted, and since when, in milliseconds since the epoch. */
export type Hold = {
  readonly reason: string;
  readonly timeMs: number;
  /** A Nexus said that the database does not know the point of this sled (C5). */
  readonly isUnknown?: boolean;
};

/** What persons have decided for this sled, whatever a Nexus says (T4). */
export type Decisions = {
  /** Whether they have to: an admin key is pinned. */
  readonly areRequired: () => boolean;
  /** Whether all that is pending at this point may be deleted, whatever the limit says. */
  readonly allowDeletionAt: (point: Point) => boolean;
  /** Whether a config that lists less may replace the one of this point, which the database did not know. */
  readonly accept: (point: Point) => boolean;
};
export const NO_DECISIONS: Decisions = {
  areRequired: () => false,
  allowDeletionAt: () => false,
  accept: () => false,
};

/** From the answer to a registration; the digest is absent from a control plane without lineage. */
export type Floor = RegistrationAnswer['floor'];

export type ArtifactWriter = AsyncDisposable & {
  /**
   * Appends a chunk; resolves when its memory may be used again. Chunks land in the order of the calls, so
   * several may be outstanding. Rejects when the artifact is too long or no dataset is left; then abort.
   */
  readonly write: (chunk: Uint8Array) => Promise<void>;
  /**
   * Checks the file, makes it durable and names it. When this rejects nothing is left.
   *
   * @throws `ARTIFACT_HASH_MISMATCH`, `ARTIFACT_PREFIX_MISMATCH`, `ARTIFACT_NOT_IN_CONFIG` (pruned meanwhile), `NO_SPACE`, `IO`
   */
  readonly commit: () => Promise<PutResult>;
  /** Leaves nothing behind; of no effect after {@link commit}. */
  readonly abort: () => Promise<void>;
};

/** As on the wire: the usable datasets when the write began, and how many of them hold the artifact now. */
export type StoredArtifact = AsyncDisposable & {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  readonly datasetId: DatasetId;
  /** Its bytes were verified recently, when they were written or read. */
  readonly isFresh: boolean;
  /** Called by a reader that has hashed all of it, and found it right. */
  readonly foundRight: () => void;
  /** Fills `target` from `position`; fewer bytes only at the end of the file. */
  readonly read: (target: Uint8Array, position: number) => Promise<number>;
};

/** An artifact that is being received, as far as it is verified. */
export type ArrivingArtifact = AsyncDisposable & {
  readonly sha256: ArtifactHash;
  /** Of the whole. */
  readonly sizeBytes: number;
  /**
   * Fills a part of `target` from `position`, at least one byte; waits until that is verified. Undefined once no write of the
   * artifact goes on: it is held, or its transfer has failed.
   *
   * @throws `ARTIFACT_NOT_HELD` when it is not wanted any more, or withheld; the signal's reason
   */
  readonly read: (target: Uint8Array, position: number) => Promise<number | undefined>;
};

export type StoreListing = {
  readonly incarnationId: IncarnationId;
  /** Absent, like the digest, until a first config was adopted. */
  readonly generation: Generation | undefined;
  /** SHA-256 of the wanted set, in hex. */
  readonly configDigest: string | undefined;
  /** Whether a config that named its predecessor was adopted (P13). */
  readonly hasLineage: boolean;
  /** Of other histories, until a recovery has decided on them. */
  readonly pointsKept: readonly Point[];
  /** Set while nothing is deleted (P13). */
  readonly hold: Hold | undefined;
  /** The artifacts of the config that are held at the right length, with the number of datasets; never zero. */
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
  /** How many datasets can take an artifact now (B9). */
  readonly datasets: number;
  readonly datasetHealth: readonly DatasetHealth[];
  readonly deletionsTotal: number;
  /** The last ones, oldest first, at most {@link MAX_EVENTS}. */
  readonly deletions: readonly ArtifactDeletion[];
  /** Unwanted but in use; at most {@link MAX_EVENTS}. */
  readonly deletionsDeferred: readonly DeferredDeletion[];
  readonly deletionsWaiting: KeptForAWhile;
  /** Beyond the limit; not among the waiting ones. */
  readonly deletionsLimited: KeptForAWhile;
  /** In force, for any artifact. */
  readonly leasesTotal: number;
  readonly quarantined: readonly QuarantinedFile[];
  /** Absent before the first cycle. */
  readonly scrub: ScrubProgress | undefined;
  /** What vouches for the releases of the config, and what is withheld (T3). */
  readonly releases: ReleaseReport;
};

/** How many recent deletions, deferred ones and quarantined files are kept for the listing. */
export const MAX_EVENTS = 256;

export type DatasetHealth = ReportedHealth & {
  /** Foreign files: left alone, and named for the operator; at most {@link MAX_EVENTS}. */
  readonly unknownFiles: readonly string[];
};

export type Scrub = {
  /** Cycle after cycle, until the signal aborts; resolves then. */
  readonly run: (options: { signal: AbortSignal }) => Promise<void>;
  /** Starts a whole new cycle now, or after the current one. */
  readonly cycle: (options: { signal: AbortSignal }) => Promise<void>;
};

/** The heads of the audit log that this sled was told (T6a); nothing else depends on them. */
export type KeptAuditHeads = {
  /** Those that were told first come first. */
  readonly list: () => readonly KeptHead[];
  /** Resolves when they are durable. @throws `NO_SPACE`, `NO_USABLE_DATASET` when no dataset took them */
  readonly keep: (told: readonly AuditHead[]) => Promise<void>;
};

/** The file stays after a config has dropped it, until the lease is returned or expires (B6, P11). */
export type Lease = {
  readonly sha256: ArtifactHash;
  readonly id: LeaseId;
  /** For people. */
  readonly holder: string | undefined;
  readonly termMs: number;
};

export type LeaseInForce = Lease & {
  readonly remainingMs: number;
  /** By the wall clock, for people. */
  readonly timeExpiresMs: number;
};

/** Why an artifact may not be deleted now. */
export type Use = { readonly reason: string; readonly leases: readonly LeaseInForce[] };
export type InUse = (sha256: ArtifactHash) => Use | undefined;

export type DeferredDeletion = Use & { readonly sha256: ArtifactHash };

/** Artifacts that no config lists, until their waits are over (T4). */
export type KeptForAWhile = {
  readonly artifacts: number;
  readonly sizeBytes: number;
  /** Those that go first, at most {@link MAX_EVENTS}. */
  readonly first: readonly JudgedDeletion[];
};

export type StoreSettings = {
  /** One directory per disk. Each must exist: a missing one may be an unmounted disk, and is never created. */
  readonly directories: readonly string[];
  /** The limit for the files of one dataset together. */
  readonly quotaBytes: number;
  /** Stays free on a dataset's file system, so that ledgers can always be written. */
  readonly minFreeBytes: number;
  /** The longest artifact. */
  readonly maxArtifactBytes: number;
  /** How long deletions wait (T4). */
  readonly deletion: DeletionRules;
  readonly scrub: {
    /** The period in which every stored file is read again and hashed. */
    readonly periodMs: number;
    /** For all datasets together; has priority over the period. */
    readonly bytesPerSecond: number;
  };
};
