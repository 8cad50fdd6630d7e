-- One hash, one length and one version, whatever roles and releases the file has.
CREATE TABLE IF NOT EXISTS tuf_artifact_file (
  sha256 TEXT NOT NULL,
  size_bytes INT8 NOT NULL,
  version TEXT NOT NULL,
  CONSTRAINT tuf_artifact_file_pkey PRIMARY KEY (sha256),
  CONSTRAINT tuf_artifact_file_sha256_valid CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT tuf_artifact_file_size_valid CHECK (size_bytes >= 0)
);
