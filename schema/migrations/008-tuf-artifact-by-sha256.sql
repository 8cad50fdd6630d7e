CREATE INDEX IF NOT EXISTS tuf_artifact_by_sha256 ON tuf_artifact (sha256);
