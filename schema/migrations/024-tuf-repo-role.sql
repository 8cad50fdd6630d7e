-- The metadata that a release was recorded with, role by role: what a warning before its expiry goes by.
-- A release that was recorded before this table existed has no rows, and is not warned of.
CREATE TABLE IF NOT EXISTS tuf_repo_role (
  tuf_repo_id UUID NOT NULL,
  role TEXT NOT NULL,
  version INT8 NOT NULL,
  expires TIMESTAMPTZ NOT NULL,
  CONSTRAINT tuf_repo_role_pkey PRIMARY KEY (tuf_repo_id, role),
  CONSTRAINT tuf_repo_role_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);
