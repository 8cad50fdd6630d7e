CREATE TABLE IF NOT EXISTS tuf_repo_metadata (
  tuf_repo_id UUID NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  CONSTRAINT tuf_repo_metadata_pkey PRIMARY KEY (tuf_repo_id, key),
  CONSTRAINT tuf_repo_metadata_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);
