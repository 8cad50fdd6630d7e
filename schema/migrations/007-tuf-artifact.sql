-- A file in a role: one row for each hash and set of tags, so a hash is not unique here and is never paged by.
CREATE TABLE IF NOT EXISTS tuf_artifact (
  id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  sha256 TEXT NOT NULL,
  CONSTRAINT tuf_artifact_pkey PRIMARY KEY (id),
  CONSTRAINT tuf_artifact_file_fkey FOREIGN KEY (sha256) REFERENCES tuf_artifact_file (sha256)
);
