-- The whole schema, as all migrations together make it: for reading, and for a test that compares the two.
-- PostgreSQL runs it. It keeps to what CockroachDB documents too, which this project has never run.

-- Which migrations this database has had. One row; locked while a migration runs, so no migration alters this table.
CREATE TABLE schema_version (
  singleton BOOL NOT NULL,
  version INT8 NOT NULL,
  time_modified TIMESTAMPTZ NOT NULL,
  CONSTRAINT schema_version_pkey PRIMARY KEY (singleton),
  CONSTRAINT schema_version_singleton CHECK (singleton)
);

INSERT INTO schema_version (singleton, version, time_modified) VALUES (true, 65, now());

-- Deleted ones keep their rows: releases refer to them.
-- The accepted versions are what a rollback is measured against; absent until a release was accepted.
-- accepted_delegated: of delegated roles, by name.
CREATE TABLE tuf_trust_root (
  id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_deleted TIMESTAMPTZ,
  root_bytes BYTEA NOT NULL,
  accepted_root_version INT8,
  accepted_timestamp_version INT8,
  accepted_snapshot_version INT8,
  accepted_targets_version INT8,
  accepted_delegated JSONB,
  CONSTRAINT tuf_trust_root_pkey PRIMARY KEY (id),
  CONSTRAINT tuf_trust_root_accepted_all_or_none CHECK (
    (accepted_root_version IS NULL) = (accepted_timestamp_version IS NULL)
    AND (accepted_root_version IS NULL) = (accepted_snapshot_version IS NULL)
    AND (accepted_root_version IS NULL) = (accepted_targets_version IS NULL)
  )
);

-- The roots that followed a trust root, each signed by the one before it and by itself; the highest is trusted now.
-- The first of the chain is root_bytes of the trust root. Kept whole: whoever trusts an older one needs them all.
CREATE TABLE tuf_trust_root_chain (
  trust_root_id UUID NOT NULL,
  version INT8 NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  root_bytes BYTEA NOT NULL,
  CONSTRAINT tuf_trust_root_chain_pkey PRIMARY KEY (trust_root_id, version),
  CONSTRAINT tuf_trust_root_chain_trust_root_fkey FOREIGN KEY (trust_root_id) REFERENCES tuf_trust_root (id),
  CONSTRAINT tuf_trust_root_chain_version_valid CHECK (version >= 2)
);

-- A release. Pruned ones keep their rows, so that a version means the same bytes for ever.
-- hash: of the archive, or of the signed targets where there is no archive.
-- version_order: sorts as semantic versions do (src/nexus/datastore/version-order.ts).
-- time_created: of the latest upload, which is what retention goes by.
-- pruned_by: 'retention', or NULL for a person. left_out: the signed targets that are no artifacts of it, and why; NULL for none.
CREATE TABLE tuf_repo (
  id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_pruned TIMESTAMPTZ,
  system_version TEXT NOT NULL,
  version_order BYTEA NOT NULL,
  hash TEXT NOT NULL,
  hash_kind TEXT NOT NULL,
  file_name TEXT NOT NULL,
  format TEXT NOT NULL,
  trust_root_id UUID NOT NULL,
  artifact_count INT8 NOT NULL,
  total_size_bytes INT8 NOT NULL,
  pruned_by TEXT,
  left_out JSONB,
  CONSTRAINT tuf_repo_pkey PRIMARY KEY (id),
  CONSTRAINT tuf_repo_system_version_key UNIQUE (system_version),
  CONSTRAINT tuf_repo_version_order_key UNIQUE (version_order),
  CONSTRAINT tuf_repo_hash_key UNIQUE (hash),
  CONSTRAINT tuf_repo_hash_valid CHECK (hash ~ '^[0-9a-f]{64}$'),
  CONSTRAINT tuf_repo_hash_kind_valid CHECK (hash_kind IN ('archive', 'targets')),
  CONSTRAINT tuf_repo_format_valid CHECK (format IN ('v2', 'v1', 'plain')),
  CONSTRAINT tuf_repo_trust_root_fkey FOREIGN KEY (trust_root_id) REFERENCES tuf_trust_root (id)
);

-- The release that each followed source had when a Nexus looked last: retention keeps it until time_until. source: a digest of its
-- addresses.
CREATE TABLE followed_release (
  source TEXT NOT NULL,
  source_name TEXT NOT NULL,
  tuf_repo_id UUID NOT NULL,
  time_until TIMESTAMPTZ NOT NULL,
  CONSTRAINT followed_release_pkey PRIMARY KEY (source),
  CONSTRAINT followed_release_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);

-- The metadata that a release was recorded with, role by role: what a warning before its expiry goes by.
-- A release that was recorded before this table existed has no rows, and is not warned of.
CREATE TABLE tuf_repo_role (
  tuf_repo_id UUID NOT NULL,
  role TEXT NOT NULL,
  version INT8 NOT NULL,
  expires TIMESTAMPTZ NOT NULL,
  CONSTRAINT tuf_repo_role_pkey PRIMARY KEY (tuf_repo_id, role),
  CONSTRAINT tuf_repo_role_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);

-- What vouches for a present release, as sleds receive it (src/bundle); a deleted release has none. sha256: of content, by which
-- sleds know it. kind: whether every artifact is a signed target, or only some, or it has no metadata at all. Not compressed: TOAST
-- does that. time_exempted: when an admin decided that it counts whatever signed it.
CREATE TABLE tuf_repo_bundle (
  tuf_repo_id UUID NOT NULL,
  sha256 TEXT NOT NULL,
  kind TEXT NOT NULL,
  content BYTEA NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_exempted TIMESTAMPTZ,
  CONSTRAINT tuf_repo_bundle_pkey PRIMARY KEY (tuf_repo_id),
  CONSTRAINT tuf_repo_bundle_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id),
  CONSTRAINT tuf_repo_bundle_sha256_valid CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT tuf_repo_bundle_kind_valid CHECK (kind IN ('signed', 'partly', 'unsigned'))
);

CREATE TABLE tuf_repo_metadata (
  tuf_repo_id UUID NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  CONSTRAINT tuf_repo_metadata_pkey PRIMARY KEY (tuf_repo_id, key),
  CONSTRAINT tuf_repo_metadata_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);

-- One hash, one length and one version, whatever roles and releases the file has.
CREATE TABLE tuf_artifact_file (
  sha256 TEXT NOT NULL,
  size_bytes INT8 NOT NULL,
  version TEXT NOT NULL,
  CONSTRAINT tuf_artifact_file_pkey PRIMARY KEY (sha256),
  CONSTRAINT tuf_artifact_file_sha256_valid CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT tuf_artifact_file_size_valid CHECK (size_bytes >= 0)
);

-- The prefix digests of a wanted artifact: the SHA-256 of its first unit, of its first two, and so on, one after the other. Nobody signs
-- them. An artifact of at most one unit has none, and so has one that was recorded before this table existed.
CREATE TABLE tuf_artifact_prefix (
  sha256 TEXT NOT NULL,
  unit_bytes INT8 NOT NULL,
  digests BYTEA NOT NULL,
  CONSTRAINT tuf_artifact_prefix_pkey PRIMARY KEY (sha256),
  CONSTRAINT tuf_artifact_prefix_file_fkey FOREIGN KEY (sha256) REFERENCES tuf_artifact_file (sha256),
  CONSTRAINT tuf_artifact_prefix_unit_valid CHECK (unit_bytes > 0),
  CONSTRAINT tuf_artifact_prefix_digests_valid CHECK (octet_length(digests) > 0 AND octet_length(digests) % 32 = 0)
);

-- A file in a role: one row for each hash and set of tags, so a hash is not unique here and is never paged by.
CREATE TABLE tuf_artifact (
  id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  sha256 TEXT NOT NULL,
  CONSTRAINT tuf_artifact_pkey PRIMARY KEY (id),
  CONSTRAINT tuf_artifact_file_fkey FOREIGN KEY (sha256) REFERENCES tuf_artifact_file (sha256)
);

CREATE INDEX tuf_artifact_by_sha256 ON tuf_artifact (sha256);

CREATE TABLE tuf_artifact_tag (
  tuf_artifact_id UUID NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  CONSTRAINT tuf_artifact_tag_pkey PRIMARY KEY (tuf_artifact_id, key),
  CONSTRAINT tuf_artifact_tag_artifact_fkey FOREIGN KEY (tuf_artifact_id) REFERENCES tuf_artifact (id)
);

-- What a release lists, in the order of its document. Changes only when the same archive is read in another way by a later version
-- of this software, and when a zone of an earlier version gets its right name.
CREATE TABLE tuf_repo_artifact (
  tuf_repo_id UUID NOT NULL,
  position INT8 NOT NULL,
  tuf_artifact_id UUID NOT NULL,
  target_name TEXT NOT NULL,
  CONSTRAINT tuf_repo_artifact_pkey PRIMARY KEY (tuf_repo_id, position),
  CONSTRAINT tuf_repo_artifact_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id),
  CONSTRAINT tuf_repo_artifact_artifact_fkey FOREIGN KEY (tuf_artifact_id) REFERENCES tuf_artifact (id)
);

CREATE INDEX tuf_repo_artifact_by_artifact ON tuf_repo_artifact (tuf_artifact_id);

-- Every point that the wanted set ever had in this database, written in the transaction that raises the generation.
-- Never removed: a sled that was away for a year is told by it whether its point comes from this database.
-- origin: 'first' for the one that the table began with, 'change' of the wanted set, 'raise' of the generation without
-- one, 'accepted' for a point of another history that a recovery decided on.
-- ordered_by: who accepted or raised it, where a person did. sled_id: for which sled a Nexus raised it by itself.
CREATE TABLE tuf_point (
  generation INT8 NOT NULL,
  digest TEXT NOT NULL,
  origin TEXT NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  ordered_by TEXT,
  sled_id UUID,
  CONSTRAINT tuf_point_pkey PRIMARY KEY (generation, digest),
  CONSTRAINT tuf_point_generation_valid CHECK (generation >= 0),
  CONSTRAINT tuf_point_digest_valid CHECK (digest ~ '^[0-9a-f]{64}$'),
  CONSTRAINT tuf_point_origin_valid CHECK (origin IN ('first', 'change', 'raise', 'accepted'))
);

-- Generation 1 wants nothing; the digest is the SHA-256 of no bytes.
INSERT INTO tuf_point (generation, digest, origin)
VALUES (1, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'first');

-- Where the wanted set is now. The generation rises whenever the set of wanted hashes changes, in the transaction that
-- changes it; the row is what such transactions take turns by.
-- digest: SHA-256 of that set (digestInput in src/core/artifact-config.ts).
CREATE TABLE tuf_current_point (
  singleton BOOL NOT NULL,
  generation INT8 NOT NULL,
  digest TEXT NOT NULL,
  CONSTRAINT tuf_current_point_pkey PRIMARY KEY (singleton),
  CONSTRAINT tuf_current_point_singleton CHECK (singleton),
  CONSTRAINT tuf_current_point_valid CHECK (generation >= 1),
  CONSTRAINT tuf_current_point_digest_valid CHECK (digest ~ '^[0-9a-f]{64}$')
);

INSERT INTO tuf_current_point (singleton, generation, digest)
VALUES (true, 1, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

-- The release that the fleet should run is that of the highest generation; the first row is before any was set.
CREATE TABLE target_release (
  generation INT8 NOT NULL,
  time_requested TIMESTAMPTZ NOT NULL DEFAULT now(),
  tuf_repo_id UUID,
  CONSTRAINT target_release_pkey PRIMARY KEY (generation),
  CONSTRAINT target_release_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id),
  CONSTRAINT target_release_first_has_none CHECK ((generation = 1) = (tuf_repo_id IS NULL))
);

INSERT INTO target_release (generation, tuf_repo_id) VALUES (1, NULL);

-- registration_generation: of what the sled says of itself; an older one is ignored.
-- incarnation_id and datasets are absent for a sled agent that does not tell them.
-- heads: its points; absent for a sled agent that does not compare points.
-- public_key_sha256: with which it registered; null for a sled that speaks plain HTTP, or registered before this was recorded.
CREATE TABLE sled (
  id UUID NOT NULL,
  policy TEXT NOT NULL DEFAULT 'in_service',
  time_registered TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_last_registered TIMESTAMPTZ NOT NULL DEFAULT now(),
  sled_agent_address TEXT NOT NULL,
  role TEXT NOT NULL,
  serial TEXT NOT NULL,
  part TEXT NOT NULL,
  revision INT8 NOT NULL,
  usable_hardware_threads INT8 NOT NULL,
  usable_physical_ram_bytes INT8 NOT NULL,
  reservoir_size_bytes INT8 NOT NULL,
  cpu_family TEXT NOT NULL,
  registration_generation INT8 NOT NULL,
  repo_depot_port INT4 NOT NULL,
  decommissioned BOOL NOT NULL,
  incarnation_id UUID,
  datasets JSONB,
  heads JSONB,
  time_expunged TIMESTAMPTZ,
  public_key_sha256 TEXT,
  CONSTRAINT sled_pkey PRIMARY KEY (id),
  CONSTRAINT sled_policy_valid CHECK (policy IN ('in_service', 'expunged')),
  CONSTRAINT sled_repo_depot_port_valid CHECK (repo_depot_port BETWEEN 1 AND 65535)
);

-- time_heartbeat is set and compared by the database's clock only.
-- round_nonce: written before sleds are counted, and seen again by the transaction that drops an archive.
CREATE TABLE nexus (
  id UUID NOT NULL,
  policy TEXT NOT NULL DEFAULT 'in_service',
  operator_address TEXT NOT NULL,
  time_started TIMESTAMPTZ NOT NULL,
  time_heartbeat TIMESTAMPTZ NOT NULL DEFAULT now(),
  round_nonce UUID,
  time_expunged TIMESTAMPTZ,
  CONSTRAINT nexus_pkey PRIMARY KEY (id),
  CONSTRAINT nexus_policy_valid CHECK (policy IN ('in_service', 'expunged'))
);

-- An archive that a Nexus still holds, one row an upload: two uploads of one archive are two local repos.
CREATE TABLE local_repo (
  upload_id UUID NOT NULL,
  nexus_id UUID NOT NULL,
  tuf_repo_id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT local_repo_pkey PRIMARY KEY (upload_id),
  CONSTRAINT local_repo_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);

CREATE INDEX local_repo_by_nexus ON local_repo (nexus_id);

-- What was accepted only because the operator said so, one sentence a row. Kept when the local repo is gone.
CREATE TABLE override_audit (
  upload_id UUID NOT NULL,
  position INT8 NOT NULL,
  nexus_id UUID NOT NULL,
  tuf_repo_id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  sentence TEXT NOT NULL,
  CONSTRAINT override_audit_pkey PRIMARY KEY (upload_id, position),
  CONSTRAINT override_audit_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);

-- The history: what was asked of sleds, what came of it, and what changed. For people; nothing is decided by it.
-- time: by the clock of the Nexus that wrote the row. id: made by Nexus, so that a batch may be written again.
-- No reference to other tables: an event outlives what it speaks of, and is removed by age and count alone.
-- details: what is known of the event beside its columns, by its kind. message: of rows from before schema version 39 alone.
CREATE TABLE fleet_event (
  id UUID NOT NULL,
  time TIMESTAMPTZ NOT NULL,
  nexus_id UUID NOT NULL,
  kind TEXT NOT NULL,
  sled_id UUID,
  sha256 TEXT,
  generation INT8,
  system_version TEXT,
  source_sled_id UUID,
  elapsed_ms INT8,
  error_code TEXT,
  message TEXT,
  details JSONB,
  CONSTRAINT fleet_event_pkey PRIMARY KEY (id)
);

CREATE INDEX fleet_event_by_time ON fleet_event (time, id);
CREATE INDEX fleet_event_by_artifact ON fleet_event (sha256, time, id);
CREATE INDEX fleet_event_by_sled ON fleet_event (sled_id, time, id);

-- The tokens of operators: of each its SHA-256 alone, so that nobody who reads the database can use one. A token that is
-- revoked or expired stays for a while, to be named as such.
CREATE TABLE operator_token (
  id UUID NOT NULL,
  role TEXT NOT NULL,
  description TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_expires TIMESTAMPTZ NOT NULL,
  time_revoked TIMESTAMPTZ,
  time_last_used TIMESTAMPTZ,
  CONSTRAINT operator_token_pkey PRIMARY KEY (id),
  CONSTRAINT operator_token_sha256_key UNIQUE (sha256),
  CONSTRAINT operator_token_role_valid CHECK (role IN ('viewer', 'operator', 'admin'))
);

-- Invitations: each lets one machine join the fleet once, by a token of which the SHA-256 alone is stored. sled_id: as which
-- sled, or NULL for a new one. replaces_sled_id: the sled that the join expunges. time_used and public_key_sha256: of the join.
-- serial: that the machine has to report, or NULL for any.
CREATE TABLE sled_invitation (
  id UUID NOT NULL,
  sha256 TEXT NOT NULL,
  sled_id UUID,
  replaces_sled_id UUID,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_expires TIMESTAMPTZ NOT NULL,
  time_used TIMESTAMPTZ,
  public_key_sha256 TEXT,
  serial TEXT,
  CONSTRAINT sled_invitation_pkey PRIMARY KEY (id),
  CONSTRAINT sled_invitation_sha256_key UNIQUE (sha256),
  CONSTRAINT sled_invitation_use_whole CHECK ((time_used IS NULL) = (public_key_sha256 IS NULL))
);

-- Invitations of further Nexuses: each lets one machine join the fleet once, as nexus_id, by a token of which the SHA-256 alone is
-- stored. time_used and public_key_sha256: of the join.
CREATE TABLE nexus_invitation (
  id UUID NOT NULL,
  sha256 TEXT NOT NULL,
  nexus_id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_expires TIMESTAMPTZ NOT NULL,
  time_used TIMESTAMPTZ,
  public_key_sha256 TEXT,
  CONSTRAINT nexus_invitation_pkey PRIMARY KEY (id),
  CONSTRAINT nexus_invitation_sha256_key UNIQUE (sha256),
  CONSTRAINT nexus_invitation_use_whole CHECK ((time_used IS NULL) = (public_key_sha256 IS NULL))
);

-- The keys of the sleds that joined, by the SHA-256 of each: one key has one sled. time_replaced: when another key joined as the
-- same sled. time_expunged: when the sled was, also before it registered. serial: that the sled has to report with this key, or NULL
-- for any.
CREATE TABLE sled_key (
  public_key_sha256 TEXT NOT NULL,
  sled_id UUID NOT NULL,
  time_joined TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_replaced TIMESTAMPTZ,
  time_expunged TIMESTAMPTZ,
  serial TEXT,
  CONSTRAINT sled_key_pkey PRIMARY KEY (public_key_sha256)
);

-- The keys of machines that an admin refused to let join by their key, until one is approved.
CREATE TABLE sled_key_denied (
  public_key_sha256 TEXT NOT NULL,
  time_denied TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT sled_key_denied_pkey PRIMARY KEY (public_key_sha256)
);

-- A sled has one key at a time.
CREATE UNIQUE INDEX sled_key_current ON sled_key (sled_id) WHERE time_replaced IS NULL;

-- The sleds that an operator approved to speak plain HTTP, each at one address, without a port. A sled need not have registered
-- before; a registration with an identity ends the approval.
CREATE TABLE sled_plain_approval (
  sled_id UUID NOT NULL,
  address TEXT NOT NULL,
  time_approved TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT sled_plain_approval_pkey PRIMARY KEY (sled_id)
);

-- Since when certificates of an identity do not count, whatever becomes of its row: the latest time, never removed.
CREATE TABLE identity_revocation (
  kind TEXT NOT NULL,
  id UUID NOT NULL,
  time_revoked TIMESTAMPTZ NOT NULL,
  CONSTRAINT identity_revocation_pkey PRIMARY KEY (kind, id),
  CONSTRAINT identity_revocation_kind_valid CHECK (kind IN ('nexus', 'sled'))
);

-- Statements that admin keys signed, each as it was sent: never changed, never removed. sha256: of key_sha256, signature and
-- statement, with line feeds between them. key_sha256: of the SubjectPublicKeyInfo of the admin key.
CREATE TABLE admin_statement (
  sha256 TEXT NOT NULL,
  statement TEXT NOT NULL,
  signature TEXT NOT NULL,
  key_sha256 TEXT NOT NULL,
  time_recorded TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT admin_statement_pkey PRIMARY KEY (sha256)
);

-- The audit log: every change by a person, in a chain. hash: SHA-256 of the hash of the entry before, seq and content, with
-- line feeds between them. content: the entry in canonical JSON, as text, since JSONB would not keep its bytes. Append-only.
CREATE TABLE audit_entry (
  seq INT8 NOT NULL,
  id UUID NOT NULL,
  hash TEXT NOT NULL,
  content TEXT NOT NULL,
  CONSTRAINT audit_entry_pkey PRIMARY KEY (seq),
  CONSTRAINT audit_entry_id_key UNIQUE (id),
  CONSTRAINT audit_entry_hash_valid CHECK (hash ~ '^[0-9a-f]{64}$')
);

-- The newest entry of the audit log; changes by persons take turns by this row.
CREATE TABLE audit_head (
  singleton BOOL NOT NULL,
  seq INT8 NOT NULL,
  hash TEXT NOT NULL,
  CONSTRAINT audit_head_pkey PRIMARY KEY (singleton),
  CONSTRAINT audit_head_singleton CHECK (singleton)
);

-- The log is empty: entry 1 follows 64 zeros.
INSERT INTO audit_head (singleton, seq, hash)
VALUES (true, 0, '0000000000000000000000000000000000000000000000000000000000000000');
