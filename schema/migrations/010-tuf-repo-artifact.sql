-- What a release lists, in the order of its document. Never changes once written.
CREATE TABLE IF NOT EXISTS tuf_repo_artifact (
  tuf_repo_id UUID NOT NULL,
  position INT8 NOT NULL,
  tuf_artifact_id UUID NOT NULL,
  target_name TEXT NOT NULL,
  CONSTRAINT tuf_repo_artifact_pkey PRIMARY KEY (tuf_repo_id, position),
  CONSTRAINT tuf_repo_artifact_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id),
  CONSTRAINT tuf_repo_artifact_artifact_fkey FOREIGN KEY (tuf_artifact_id) REFERENCES tuf_artifact (id)
);
