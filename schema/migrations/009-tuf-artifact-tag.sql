CREATE TABLE IF NOT EXISTS tuf_artifact_tag (
  tuf_artifact_id UUID NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  CONSTRAINT tuf_artifact_tag_pkey PRIMARY KEY (tuf_artifact_id, key),
  CONSTRAINT tuf_artifact_tag_artifact_fkey FOREIGN KEY (tuf_artifact_id) REFERENCES tuf_artifact (id)
);
