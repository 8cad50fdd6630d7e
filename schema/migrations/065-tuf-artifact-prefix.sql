-- The prefix digests of an artifact: the SHA-256 of its first unit, of its first two, and so on, one after the other.
CREATE TABLE IF NOT EXISTS tuf_artifact_prefix (
  sha256 TEXT NOT NULL,
  unit_bytes INT8 NOT NULL,
  digests BYTEA NOT NULL,
  CONSTRAINT tuf_artifact_prefix_pkey PRIMARY KEY (sha256),
  CONSTRAINT tuf_artifact_prefix_file_fkey FOREIGN KEY (sha256) REFERENCES tuf_artifact_file (sha256),
  CONSTRAINT tuf_artifact_prefix_unit_valid CHECK (unit_bytes > 0),
  CONSTRAINT tuf_artifact_prefix_digests_valid CHECK (octet_length(digests) > 0 AND octet_length(digests) % 32 = 0)
);
