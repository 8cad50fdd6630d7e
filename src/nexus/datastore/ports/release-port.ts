/** Releases and their artifacts: recorded when verified, read by people and by checks, and pruned. */
import type {
  ArtifactHash,
  Generation,
  HashKind,
  NexusId,
  RepoId,
  SystemVersion,
  TrustRootId,
  UploadId,
} from '../../../core/ids.ts';
import type { LeftOutTarget } from '../../../core/left-out.ts';
import type { PrefixDigests } from '../../../core/prefix-digests.ts';
import type { ReleaseArtifact, ReleaseDescription, ReleaseRoles, RoleExpiry } from '../../../core/release.ts';
import type { ReleaseBundle } from '../../../core/release-trust.ts';
import type { Audited } from './audit-port.ts';
import type { TrustMove } from './trust-root-port.ts';
import type { Page, Paged, Wait } from './verb.ts';

export type RepoRecord = {
  readonly id: RepoId;
  readonly systemVersion: SystemVersion;
  readonly hash: string;
  readonly hashKind: HashKind;
  readonly fileName: string;
  readonly timeCreatedMs: number;
  readonly timePrunedMs: number | null;
  /** Undefined for a release that is present, or that a person deleted. */
  readonly prunedBy: 'retention' | undefined;
  /** Signed targets that are no artifacts of it. */
  readonly leftOut: readonly LeftOutTarget[];
  readonly artifactCount: number;
  readonly totalSizeBytes: number;
};

export type NewRelease = TrustMove & {
  readonly repoId: RepoId;
  readonly uploadId: UploadId;
  readonly nexusId: NexusId;
  readonly hash: string;
  readonly hashKind: HashKind;
  readonly fileName: string;
  readonly description: ReleaseDescription;
  /** Of those artifacts of it that have some (decisions/release-prefixes.ts). */
  readonly prefixesOf: ReadonlyMap<ArtifactHash, PrefixDigests>;
  readonly trustRootId: TrustRootId;
  readonly roles: readonly RoleExpiry[];
  readonly bundle: NewBundle;
  /** The overrides, one sentence each; kept in the audit. */
  readonly overrides: readonly string[];
};

/** What vouches for a release before sleds. */
export type NewBundle = ReleaseBundle & {
  /** The newest root of a chain vouches for it, so that it replaces one for which perhaps only an older root does. */
  readonly isCurrent: boolean;
};

/** Without its bytes. */
export type RecordedBundle = Pick<ReleaseBundle, 'sha256' | 'kind'> & {
  /** An admin decided that it counts whatever signed it. */
  readonly isExempted: boolean;
};

export type FollowedRelease = {
  /** Of its addresses. */
  readonly source: string;
  readonly sourceName: string;
  readonly repoId: RepoId;
  readonly systemVersion: SystemVersion;
};

export type BundleGap = {
  readonly repoId: RepoId;
  readonly systemVersion: SystemVersion;
  readonly hasBundle: boolean;
};

export type InsertOutcome = {
  readonly status: 'inserted' | 'already_exists';
  /** The recorded repository: on `already_exists` its id is the earlier one. */
  readonly repo: RepoRecord;
  readonly generation: Generation;
};

export type ReleasePort = {
  /**
   * Records a verified release and that this Nexus holds it as a local repo, in one transaction.
   * Conflicts are `RELEASE_CONFLICT` (same version with other artifacts, metadata or archive; same archive
   * under another version) and `ARTIFACT_CONFLICT` (same hash with another length or version), naming both sides.
   * A pruned release that is uploaded again comes back under its old id.
   */
  readonly releaseInsert: (release: NewRelease, wait: Audited) => Promise<InsertOutcome>;
  /**
   * For a present release that has none, or one without metadata (decisions/release-bundle.ts).
   *
   * @returns whether it was recorded
   */
  readonly bundleInsert: (repoId: RepoId, bundle: NewBundle, wait: Wait) => Promise<boolean>;
  /** Present releases whose bundle has no metadata, or that have none. */
  readonly bundleGaps: (wait: Wait) => Promise<readonly BundleGap[]>;
  /** The bytes of the bundle of a present release. */
  readonly bundleGet: (sha256: string, wait: Wait) => Promise<Uint8Array | undefined>;
  /** As it is recorded: the last observation of a Nexus may be older. */
  readonly bundleOfRepo: (repoId: RepoId, wait: Wait) => Promise<RecordedBundle | undefined>;
  /** An admin decides that the bundle of a present release counts, whatever signed it. `NOT_FOUND` */
  readonly bundleExempt: (version: SystemVersion, options: Audited) => Promise<RecordedBundle>;
  readonly repoList: (
    page: Page & { readonly sortBy: 'version_ascending' | 'version_descending' },
    wait: Wait,
  ) => Promise<Paged<RepoRecord>>;
  /** Present releases only, unless `includePruned`. */
  readonly repoGetByVersion: (
    version: SystemVersion,
    options: Wait & { readonly includePruned?: boolean },
  ) => Promise<RepoRecord | undefined>;
  /** Whatever its state: an archive recorded once, pruned or not, is exempt from expiry and rollback (P3); a pruned one needs a key that is trusted now. */
  readonly repoGetByHash: (hash: string, wait: Wait) => Promise<RepoRecord | undefined>;
  /** When the metadata of each present release expires. */
  readonly releaseRoles: (wait: Wait) => Promise<readonly ReleaseRoles[]>;
  readonly repoArtifacts: (repoId: RepoId, page: Page, wait: Wait) => Promise<Paged<ReleaseArtifact>>;
  /**
   * Of these artifacts, those that are wanted and were recorded with prefix digests: those of an earlier version were not. The answer has
   * 32 bytes for each MiB.
   */
  readonly prefixDigests: (
    hashes: ReadonlySet<ArtifactHash>,
    wait: Wait,
  ) => Promise<ReadonlyMap<ArtifactHash, PrefixDigests>>;
  /**
   * Prunes a present release. `RELEASE_IN_USE` while it is the target release, or when it was uploaded
   * at another time than `uploadedAtMs`; `NOT_FOUND` when absent; `FORBIDDEN` for the last one, unless an admin or no
   * person deletes it.
   * Local repos of it keep their rows until their Nexus drops them.
   */
  readonly repoPrune: (
    version: SystemVersion,
    options: Audited & { readonly uploadedAtMs?: number; readonly prunedBy?: 'retention' },
  ) => Promise<{ readonly generation: Generation }>;
  /** A followed source has this release: until the time is over or it has another one, retention keeps it. */
  readonly releaseFollowed: (
    followed: Omit<FollowedRelease, 'systemVersion'> & { readonly keepMs: number },
    wait: Wait,
  ) => Promise<void>;
  readonly releasesFollowed: (wait: Wait) => Promise<readonly FollowedRelease[]>;
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
};
