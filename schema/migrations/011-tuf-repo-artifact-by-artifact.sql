CREATE INDEX IF NOT EXISTS tuf_repo_artifact_by_artifact ON tuf_repo_artifact (tuf_artifact_id);
