/** The tables of `schema/schema.sql` as Kysely sees them: int8 as number, times as milliseconds (connection.ts). */
import type { ColumnType, Generated, Kysely } from 'kysely';
import type { Policy } from '../../core/facts/event.ts';
import type {
  ArtifactHash,
  ArtifactId,
  AuditEntryId,
  EventId,
  Generation,
  HashKind,
  IncarnationId,
  InvitationId,
  NexusId,
  OperatorTokenId,
  RepoId,
  SledId,
  SystemVersion,
  TrustRootId,
  UploadId,
} from '../../core/ids.ts';
import type { OperatorRole } from '../../core/operator-role.ts';
import type { ReleaseFormat, ReleaseRole } from '../../core/release.ts';
import type { BundleKind } from '../../core/release-trust.ts';

/** Read as milliseconds, written as a date or by the database's clock. */
type Time = ColumnType<number, Date, Date>;
type TimeByDefault = ColumnType<number, Date | undefined, Date>;
type OptionalTime = ColumnType<number | null, Date | null | undefined, Date | null>;

export type Tables = {
  schema_version: { singleton: boolean; version: number; time_modified: Time };
  tuf_trust_root: {
    id: TrustRootId;
    time_created: TimeByDefault;
    time_deleted: OptionalTime;
    root_bytes: Buffer;
    accepted_root_version: number | null;
    accepted_timestamp_version: number | null;
    accepted_snapshot_version: number | null;
    accepted_targets_version: number | null;
    /** JSON text in, parsed out. */
    accepted_delegated: ColumnType<unknown, string | null, string | null>;
  };
  tuf_trust_root_chain: {
    trust_root_id: TrustRootId;
    version: number;
    time_created: TimeByDefault;
    root_bytes: Buffer;
  };
  tuf_repo: {
    id: RepoId;
    time_created: TimeByDefault;
    time_pruned: OptionalTime;
    system_version: SystemVersion;
    version_order: Buffer;
    hash: string;
    hash_kind: HashKind;
    file_name: string;
    format: ReleaseFormat;
    trust_root_id: TrustRootId;
    artifact_count: number;
    total_size_bytes: number;
    pruned_by: string | null;
    /** JSON text in, parsed out. */
    left_out: ColumnType<unknown, string | null, string | null>;
  };
  followed_release: { source: string; source_name: string; tuf_repo_id: RepoId; time_until: Time };
  tuf_repo_role: { tuf_repo_id: RepoId; role: ReleaseRole; version: number; expires: Time };
  tuf_repo_bundle: {
    tuf_repo_id: RepoId;
    sha256: string;
    kind: BundleKind;
    content: Buffer;
    time_created: TimeByDefault;
    time_exempted: OptionalTime;
  };
  tuf_repo_metadata: { tuf_repo_id: RepoId; key: string; value: string };
  tuf_artifact_file: { sha256: ArtifactHash; size_bytes: number; version: string };
  tuf_artifact_prefix: { sha256: ArtifactHash; unit_bytes: number; digests: Buffer };
  tuf_artifact: { id: ArtifactId; time_created: TimeByDefault; sha256: ArtifactHash };
  tuf_artifact_tag: { tuf_artifact_id: ArtifactId; key: string; value: string };
  tuf_repo_artifact: {
    tuf_repo_id: RepoId;
    position: number;
    tuf_artifact_id: ArtifactId;
    target_name: string;
  };
  tuf_point: {
    generation: number;
    digest: string;
    origin: 'first' | 'change' | 'raise' | 'accepted';
    time_created: TimeByDefault;
    ordered_by: string | null;
    sled_id: SledId | null;
  };
  tuf_current_point: { singleton: boolean; generation: number; digest: string };
  target_release: { generation: number; time_requested: TimeByDefault; tuf_repo_id: RepoId | null };
  sled: {
    id: SledId;
    policy: Generated<Policy>;
    time_registered: TimeByDefault;
    time_last_registered: TimeByDefault;
    sled_agent_address: string;
    repo_depot_port: number;
    role: string;
    serial: string;
    part: string;
    revision: number;
    usable_hardware_threads: number;
    usable_physical_ram_bytes: number;
    reservoir_size_bytes: number;
    cpu_family: string;
    registration_generation: number;
    decommissioned: boolean;
    incarnation_id: IncarnationId | null;
    /** JSON text in, parsed out. */
    datasets: ColumnType<unknown, string | null, string | null>;
    /** JSON text in, parsed out. */
    heads: ColumnType<unknown, string | null, string | null>;
    time_expunged: OptionalTime;
    public_key_sha256: string | null;
  };
  nexus: {
    id: NexusId;
    policy: Generated<Policy>;
    operator_address: string;
    time_started: Time;
    time_heartbeat: TimeByDefault;
    round_nonce: string | null;
    time_expunged: OptionalTime;
  };
  local_repo: {
    upload_id: UploadId;
    nexus_id: NexusId;
    tuf_repo_id: RepoId;
    time_created: TimeByDefault;
  };
  override_audit: {
    upload_id: UploadId;
    position: number;
    nexus_id: NexusId;
    tuf_repo_id: RepoId;
    time_created: TimeByDefault;
    sentence: string;
  };
  operator_token: {
    id: OperatorTokenId;
    role: OperatorRole;
    description: string;
    sha256: string;
    time_created: TimeByDefault;
    time_expires: Time;
    time_revoked: OptionalTime;
    time_last_used: OptionalTime;
  };
  sled_invitation: {
    id: InvitationId;
    sha256: string;
    sled_id: SledId | null;
    replaces_sled_id: SledId | null;
    time_created: TimeByDefault;
    time_expires: Time;
    time_used: OptionalTime;
    public_key_sha256: string | null;
    serial: string | null;
  };
  nexus_invitation: {
    id: InvitationId;
    sha256: string;
    nexus_id: NexusId;
    time_created: TimeByDefault;
    time_expires: Time;
    time_used: OptionalTime;
    public_key_sha256: string | null;
  };
  sled_key_denied: { public_key_sha256: string; time_denied: TimeByDefault };
  sled_key: {
    public_key_sha256: string;
    sled_id: SledId;
    time_joined: TimeByDefault;
    time_replaced: OptionalTime;
    time_expunged: OptionalTime;
    serial: string | null;
  };
  sled_plain_approval: { sled_id: SledId; address: string; time_approved: TimeByDefault };
  identity_revocation: { kind: 'nexus' | 'sled'; id: string; time_revoked: Time };
  admin_statement: {
    sha256: string;
    statement: string;
    signature: string;
    key_sha256: string;
    time_recorded: TimeByDefault;
  };
  audit_head: { singleton: boolean; seq: number; hash: string };
  audit_entry: { seq: number; id: AuditEntryId; hash: string; content: string };
  fleet_event: {
    id: EventId;
    time: Time;
    nexus_id: NexusId;
    /** Of the version that wrote it: any text. */
    kind: string;
    sled_id: SledId | null;
    sha256: ArtifactHash | null;
    generation: Generation | null;
    system_version: string | null;
    source_sled_id: SledId | null;
    elapsed_ms: number | null;
    error_code: string | null;
    /** Of a row from before `details` was there. */
    message: string | null;
    /** JSON text in, parsed out. */
    details: ColumnType<unknown, string | null, string | null>;
  };
};

/** What verbs read and write through: one transaction. */
export type Database = Kysely<Tables>;
