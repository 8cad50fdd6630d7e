/**
 * What Nexus asks of its database. Several Nexus instances use one database without conferring, so each of
 * these is one SERIALIZABLE transaction, retried as a whole where the database aborts it (40001).
 *
 * DB1. The generation rises in the transaction that changes the wanted set, exactly when it changes (S8, B4);
 *      a digest of the set stands beside it and is compared in that transaction. The same transaction records the new
 *      point for good (P13).
 * DB2. Ids are made by Nexus, so that a statement whose commit is uncertain can be repeated until it is
 *      certain (P4): every insert here is idempotent for the same ids and content.
 * DB3. Nothing is deleted that the history needs: repositories are pruned (`time_pruned`), trust roots and
 *      sleds keep their rows.
 */
import type { SledAgentInfo } from '../../api/internal-api.ts';
import type { FleetEventKind } from '../../api/operator-history-api.ts';
import type { DatasetHealth } from '../../api/sled-agent-api.ts';
import type {
  ArtifactHash,
  EventId,
  Generation,
  IncarnationId,
  NexusId,
  Point,
  RepoId,
  RoundNonce,
  SledId,
  SystemVersion,
  TrustRootId,
  UploadId,
} from '../../core/ids.ts';
import type { PointClaim, RecordedPoints, RegisteredHead } from '../../core/lineage.ts';
import type { ReleaseArtifact, ReleaseDescription, RoleExpiry } from '../../core/release.ts';
import type { TrustedVersions } from '../../tuf/rollback.ts';

export type { TrustedVersions };

export type Page = { readonly limit: number; readonly pageToken?: string | undefined };
export type Paged<T> = { readonly items: readonly T[]; readonly nextPage?: string | undefined };
type Wait = { readonly signal: AbortSignal };

export type RepoRecord = {
  readonly id: RepoId;
  readonly systemVersion: SystemVersion;
  readonly hash: string;
  readonly hashKind: 'archive' | 'targets';
  readonly fileName: string;
  readonly timeCreatedMs: number;
  readonly timePrunedMs: number | null;
  readonly artifactCount: number;
  readonly totalSizeBytes: number;
};

export type TrustRootRecord = {
  readonly id: TrustRootId;
  readonly timeCreatedMs: number;
  /** The signed root that is trusted now, the last of its chain, byte for byte. */
  readonly rootBytes: Uint8Array;
  /** What a rollback is measured against (B3); absent until a release was accepted from it. */
  readonly trustedVersions: TrustedVersions | null;
};

/** A root that follows the newest of a trust root: version N+1, signed by root N and by itself. */
export type NewRoot = { readonly version: number; readonly rootBytes: Uint8Array };

/** What a verified repository makes of the trust root that vouches for it. */
export type TrustMove = {
  /** The roots beyond the newest that was trusted, oldest first. */
  readonly roots: readonly NewRoot[];
  /** Remembered for this trust root; null where nothing but roots came, or for an archive recorded before (P3). */
  readonly trustedVersions: TrustedVersions | null;
  /**
   * A key of timestamp or snapshot was rotated away: the versions remembered under older roots no longer count,
   * and are replaced where they would otherwise only rise (TUF 5.3.11).
   */
  readonly forgetsVersions: boolean;
};

export type NewRelease = TrustMove & {
  readonly repoId: RepoId;
  readonly uploadId: UploadId;
  readonly nexusId: NexusId;
  readonly hash: string;
  readonly hashKind: 'archive' | 'targets';
  readonly fileName: string;
  readonly description: ReleaseDescription;
  readonly trustRootId: TrustRootId;
  readonly roles: readonly RoleExpiry[];
  /** What was accepted only because the operator said so, one sentence each; kept in the audit. */
  readonly overrides: readonly string[];
};

export type ReleaseRoles = {
  readonly systemVersion: SystemVersion;
  readonly roles: readonly RoleExpiry[];
};

export type InsertOutcome = {
  readonly status: 'inserted' | 'already_exists';
  /** The recorded repository: on `already_exists` its id is the earlier one. */
  readonly repo: RepoRecord;
  readonly generation: Generation;
};

/**
 * Which wanted set a round was planned for: the point, not its number alone, since a restored database counts the same
 * generations again (B5). `nonce` is what this Nexus wrote before it read that set; a database that failed over since
 * need not have it (P13).
 */
export type PlannedSet = Point & { readonly nonce: RoundNonce };

/** The wanted set, read consistently: generation, digest and content belong together. */
export type WantedSet = Point & {
  /** Of the claims that were asked about, in the same transaction (P13). */
  readonly lineage: RecordedPoints;
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
  readonly releases: readonly {
    readonly repoId: RepoId;
    readonly systemVersion: SystemVersion;
    readonly timeCreatedMs: number;
    readonly artifacts: ReadonlySet<ArtifactHash>;
  }[];
};

/** An archive that a Nexus still holds. */
export type LocalRepoRecord = {
  readonly uploadId: UploadId;
  readonly nexusId: NexusId;
  readonly repoId: RepoId;
  readonly timeCreatedMs: number;
};

export type SledRecord = {
  readonly id: SledId;
  readonly info: SledAgentInfo;
  readonly incarnationId: IncarnationId | null;
  readonly datasets: readonly DatasetHealth[];
  /** The points it has on its datasets and those it keeps; null for a sled agent that does not compare points. */
  readonly heads: readonly RegisteredHead[] | null;
  readonly policy: 'in_service' | 'expunged';
  readonly timeRegisteredMs: number;
  readonly timeLastRegisteredMs: number;
};

export type NexusRecord = {
  readonly id: NexusId;
  readonly policy: 'in_service' | 'expunged';
  readonly operatorAddress: string;
  readonly timeStartedMs: number;
  readonly timeHeartbeatMs: number;
  /** By the database's clock only (P8). */
  readonly heartbeatAgeMs: number;
  readonly localRepos: number;
};

export type TargetReleaseRecord = {
  readonly generation: number;
  readonly timeRequestedMs: number;
  /** Null for the first row, before any target was set. */
  readonly repo: RepoRecord | null;
};

/** One event of the history. Texts are bounded by whoever makes it, and hold no NUL character. */
export type FleetEvent = {
  readonly id: EventId;
  /** By the clock of the Nexus that made it: for people. */
  readonly timeMs: number;
  readonly nexusId: NexusId;
  readonly kind: FleetEventKind;
  readonly sledId?: SledId | undefined;
  readonly sha256?: ArtifactHash | undefined;
  readonly generation?: Generation | undefined;
  readonly systemVersion?: string | undefined;
  readonly sourceSledId?: SledId | undefined;
  readonly elapsedMs?: number | undefined;
  readonly errorCode?: string | undefined;
  readonly message?: string | undefined;
};

export type FleetEventFilter = {
  readonly sledId?: SledId | undefined;
  readonly sha256?: ArtifactHash | undefined;
  /** What names the release, and everything about the artifacts that it lists. */
  readonly systemVersion?: SystemVersion | undefined;
  readonly kind?: FleetEventKind | undefined;
  readonly sinceMs?: number | undefined;
  /** Exclusive. */
  readonly untilMs?: number | undefined;
};

/** Settings of PostgreSQL, by which one can tell what a failover may lose. */
export type CommitDurability = {
  /** `on`, `remote_apply`, `remote_write`, `local` or `off`. */
  readonly synchronousCommit: string;
  /** `synchronous_standby_names`; empty where no commit waits for a standby. */
  readonly synchronousStandbys: string;
  /** How many follow it now; absent where the user may not see that. */
  readonly standbys: number | undefined;
};

export type Datastore = {
  readonly trustRootInsert: (
    root: { id: TrustRootId; rootBytes: Uint8Array },
    wait: Wait,
  ) => Promise<TrustRootRecord>;
  readonly trustRootGet: (id: TrustRootId, wait: Wait) => Promise<TrustRootRecord | undefined>;
  readonly trustRootList: (page: Page, wait: Wait) => Promise<Paged<TrustRootRecord>>;
  /** Every root of the chain, the oldest first; undefined when there is no such trust root. */
  readonly trustRootChain: (id: TrustRootId, wait: Wait) => Promise<readonly Uint8Array[] | undefined>;
  /**
   * Moves a trust root forward without a release. `NO_TRUST_ROOT` when it was deleted; `ROOT_CHAIN_BROKEN` when
   * another root of the same version was recorded meanwhile, or one before it is missing.
   */
  readonly trustRootAdvance: (
    id: TrustRootId,
    move: TrustMove,
    /** `resigned`: a recorded release that came again under newer metadata. */
    options: Wait & {
      readonly resigned?: { readonly repoId: RepoId; readonly roles: readonly RoleExpiry[] };
    },
  ) => Promise<TrustRootRecord>;
  /** False when there is none. */
  readonly trustRootDelete: (id: TrustRootId, wait: Wait) => Promise<boolean>;

  /**
   * Records a verified release and that this Nexus holds it as a local repo, in one transaction.
   * Conflicts are `RELEASE_CONFLICT` (same version with other artifacts, metadata or archive; same archive
   * under another version) and `ARTIFACT_CONFLICT` (same hash with another length or version), naming both sides.
   * A pruned release that is uploaded again comes back under its old id.
   */
  readonly releaseInsert: (release: NewRelease, wait: Wait) => Promise<InsertOutcome>;
  readonly repoList: (
    page: Page & { readonly sortBy: 'version_ascending' | 'version_descending' },
    wait: Wait,
  ) => Promise<Paged<RepoRecord>>;
  /** Present releases only, unless `includePruned`. */
  readonly repoGetByVersion: (
    version: SystemVersion,
    options: Wait & { readonly includePruned?: boolean },
  ) => Promise<RepoRecord | undefined>;
  /** Whatever its state: an archive recorded once, pruned or not, is exempt from expiry and rollback (P3). */
  readonly repoGetByHash: (hash: string, wait: Wait) => Promise<RepoRecord | undefined>;
  /** When the metadata of each present release expires. */
  readonly releaseRoles: (wait: Wait) => Promise<readonly ReleaseRoles[]>;
  readonly repoArtifacts: (repoId: RepoId, page: Page, wait: Wait) => Promise<Paged<ReleaseArtifact>>;
  /**
   * Prunes a present release. `RELEASE_IN_USE` while it is the target release, or when it was uploaded
   * at another time than `uploadedAtMs`; `NOT_FOUND` when absent.
   * Local repos of it keep their rows until their Nexus drops them.
   */
  readonly repoPrune: (
    version: SystemVersion,
    options: Wait & { readonly uploadedAtMs?: number },
  ) => Promise<{ readonly generation: Generation }>;

  /** @param options.claims points of sleds; the answer says which of them this database recorded (P13) */
  readonly wantedSet: (options: Wait & { readonly claims?: readonly PointClaim[] }) => Promise<WantedSet>;
  /** What the database waits for before it answers a commit; absent where the engine has no such settings. */
  readonly commitDurability: (wait: Wait) => Promise<CommitDurability | undefined>;

  /** Generation and digest alone, for floors and divergence checks (P5, P7). */
  readonly currentGeneration: (wait: Wait) => Promise<Point>;
  /** The same, and which of some claims this database recorded, read in one transaction (P7, P13). */
  readonly pointsRecorded: (
    claims: readonly PointClaim[],
    wait: Wait,
  ) => Promise<{ readonly current: Point; readonly lineage: RecordedPoints }>;
  /**
   * The last step of a recovery (P7): sets the generation to `to` and its digest to that of what the present
   * releases list, whatever was recorded, and records points of another history as known (P13). Safe to repeat.
   * `INVALID_REQUEST` when `to` is below the present generation, or equal to it with nothing to accept.
   */
  readonly generationRaise: (
    raise: {
      readonly to: Generation;
      readonly accepted?: readonly Point[];
      /** For people: who ordered it. */
      readonly orderedBy?: string;
      /** Where the database was when it was planned: `INVALID_REQUEST` where it is anywhere else by now. */
      readonly planned?: Point;
    },
    wait: Wait,
  ) => Promise<Point>;
  /**
   * Raises the generation for the sake of one sled, whose set the wanted set includes (P13). Undefined when the limits of
   * decisions/generation.ts do not allow it, and then nothing is changed.
   */
  readonly generationMend: (
    mend: { readonly to: Generation; readonly sledId: SledId },
    wait: Wait,
  ) => Promise<Point | undefined>;
  /** Every release, present or pruned, that lists a hash. */
  readonly artifactRoles: (
    sha256: ArtifactHash,
    wait: Wait,
  ) => Promise<readonly { readonly repo: RepoRecord; readonly artifact: ReleaseArtifact }[]>;
  /** Of these hashes those that any release lists: a present one, or only deleted ones (P7). */
  readonly artifactsKnown: (
    hashes: ReadonlySet<ArtifactHash>,
    wait: Wait,
  ) => Promise<ReadonlyMap<ArtifactHash, 'present' | 'deleted'>>;

  /** Of all Nexus instances, or of one. */
  readonly localRepoList: (
    options: Wait & { readonly nexusId?: NexusId },
  ) => Promise<readonly LocalRepoRecord[]>;
  /**
   * Removes the row of one upload if the wanted set is the planned one, whether the release is present or pruned, and
   * this Nexus's row still has the nonce that was written before the sleds were counted.
   * Anything else changes nothing and says why: the caller keeps the file (P1).
   */
  readonly localRepoDrop: (
    drop: { readonly uploadId: UploadId; readonly nexusId: NexusId; readonly planned: PlannedSet },
    wait: Wait,
  ) => Promise<{ readonly kind: 'dropped' | 'absent' } | { readonly kind: 'kept'; readonly reason: string }>;
  /** Removes a row whose archive is gone (P4, at start). */
  readonly localRepoForget: (uploadId: UploadId, nexusId: NexusId, wait: Wait) => Promise<void>;

  /**
   * Records a registration. One with an older `generation` than a recorded one that is still repeated is ignored (`stale`);
   * an expunged sled is `SLED_DECOMMISSIONED`. `changed` is true for a new sled and for any change that replication should see.
   * The point of the wanted set, and which of the sled's heads are recorded, are read in the same transaction (P5, P13).
   */
  readonly sledUpsert: (
    id: SledId,
    info: SledAgentInfo,
    wait: Wait,
  ) => Promise<{
    readonly changed: boolean;
    readonly stale: boolean;
    readonly floor: Point;
    readonly lineage: RecordedPoints;
  }>;
  readonly sledGet: (id: SledId, wait: Wait) => Promise<SledRecord | undefined>;
  readonly sledList: (
    page: Page & { readonly policy?: 'in_service' },
    wait: Wait,
  ) => Promise<Paged<SledRecord>>;
  /** False when there is no such sled. */
  readonly sledSetPolicy: (id: SledId, policy: 'in_service' | 'expunged', wait: Wait) => Promise<boolean>;

  /** Inserts or refreshes the row of this Nexus. `changedPolicy` tells it that it has been expunged. */
  readonly nexusHeartbeat: (
    nexus: { readonly id: NexusId; readonly operatorAddress: string; readonly timeStartedMs: number },
    wait: Wait,
  ) => Promise<{ readonly policy: 'in_service' | 'expunged' }>;
  /** Writes a nonce to the row of this Nexus, before it counts. False when the database has no such row. */
  readonly nexusBeginRound: (id: NexusId, nonce: RoundNonce, wait: Wait) => Promise<boolean>;
  readonly nexusList: (wait: Wait) => Promise<readonly NexusRecord[]>;
  /** `NEXUS_ALIVE` while its heartbeat is younger than `aliveMs`; `NOT_FOUND` when absent. */
  readonly nexusExpunge: (id: NexusId, aliveMs: number, wait: Wait) => Promise<void>;

  readonly targetReleaseGet: (wait: Wait) => Promise<TargetReleaseRecord>;
  /** Optimistic: fails with `TARGET_RELEASE_REFUSED` when another set it since `expectedGeneration`, or the release was pruned. */
  readonly targetReleaseSet: (
    set: { readonly repoId: RepoId; readonly expectedGeneration: number },
    wait: Wait,
  ) => Promise<TargetReleaseRecord>;

  /** The releases that were made the target last, each once, the latest first: what retention keeps (S21). */
  readonly targetReleaseRecent: (count: number, wait: Wait) => Promise<readonly TargetReleaseRecord[]>;

  /** Adds to the history. An id that is there already is left as it is, whatever the rest says. */
  readonly fleetEventInsert: (events: readonly FleetEvent[], wait: Wait) => Promise<void>;
  /** The newest first, by time and then by id. */
  readonly fleetEventList: (filter: FleetEventFilter & Page, wait: Wait) => Promise<Paged<FleetEvent>>;
  /** The database's clock, and the time of the newest event beyond the `keepCount` newest; null without one. */
  readonly fleetEventBounds: (
    keepCount: number,
    wait: Wait,
  ) => Promise<{ readonly databaseMs: number; readonly beyondMs: number | null }>;
  /** Removes events of `untilMs` and before, the oldest first, `limit` at most; how many. */
  readonly fleetEventTrim: (
    trim: { readonly untilMs: number; readonly limit: number },
    wait: Wait,
  ) => Promise<number>;

  readonly [Symbol.asyncDispose]: () => Promise<void>;
};
