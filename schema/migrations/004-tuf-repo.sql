-- A release. Pruned ones keep their rows, so that a version means the same bytes for ever.
-- hash: of the archive, or of the signed targets where there is no archive.
-- version_order: sorts as semantic versions do (src/nexus/datastore/version-order.ts).
-- time_created: of the latest upload, which is what retention goes by.
CREATE TABLE IF NOT EXISTS tuf_repo (
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
  CONSTRAINT tuf_repo_pkey PRIMARY KEY (id),
  CONSTRAINT tuf_repo_system_version_key UNIQUE (system_version),
  CONSTRAINT tuf_repo_version_order_key UNIQUE (version_order),
  CONSTRAINT tuf_repo_hash_key UNIQUE (hash),
  CONSTRAINT tuf_repo_hash_valid CHECK (hash ~ '^[0-9a-f]{64}$'),
  CONSTRAINT tuf_repo_hash_kind_valid CHECK (hash_kind IN ('archive', 'targets')),
  CONSTRAINT tuf_repo_format_valid CHECK (format IN ('v2', 'v1', 'plain')),
  CONSTRAINT tuf_repo_trust_root_fkey FOREIGN KEY (trust_root_id) REFERENCES tuf_trust_root (id)
);
