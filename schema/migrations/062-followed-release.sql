-- The release that each followed source had when a Nexus looked last: retention keeps it until time_until.
CREATE TABLE IF NOT EXISTS followed_release (
  source TEXT NOT NULL,
  source_name TEXT NOT NULL,
  tuf_repo_id UUID NOT NULL,
  time_until TIMESTAMPTZ NOT NULL,
  CONSTRAINT followed_release_pkey PRIMARY KEY (source),
  CONSTRAINT followed_release_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);
