-- Deleted ones keep their rows: releases refer to them.
-- The accepted versions are what a rollback is measured against; absent until a release was accepted.
CREATE TABLE IF NOT EXISTS tuf_trust_root (
  id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_deleted TIMESTAMPTZ,
  root_bytes BYTEA NOT NULL,
  accepted_root_version INT8,
  accepted_timestamp_version INT8,
  accepted_snapshot_version INT8,
  accepted_targets_version INT8,
  CONSTRAINT tuf_trust_root_pkey PRIMARY KEY (id),
  CONSTRAINT tuf_trust_root_accepted_all_or_none CHECK (
    (accepted_root_version IS NULL) = (accepted_timestamp_version IS NULL)
    AND (accepted_root_version IS NULL) = (accepted_snapshot_version IS NULL)
    AND (accepted_root_version IS NULL) = (accepted_targets_version IS NULL)
  )
);
