-- An archive that a Nexus still holds, one row an upload: two uploads of one archive are two local repos.
CREATE TABLE IF NOT EXISTS local_repo (
  upload_id UUID NOT NULL,
  nexus_id UUID NOT NULL,
  tuf_repo_id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT local_repo_pkey PRIMARY KEY (upload_id),
  CONSTRAINT local_repo_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);
