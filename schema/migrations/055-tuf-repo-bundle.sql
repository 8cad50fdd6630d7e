-- What vouches for a present release, as sleds receive it; a deleted release has none.
CREATE TABLE IF NOT EXISTS tuf_repo_bundle (
  tuf_repo_id UUID NOT NULL,
  sha256 TEXT NOT NULL,
  kind TEXT NOT NULL,
  content BYTEA NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_exempted TIMESTAMPTZ,
  CONSTRAINT tuf_repo_bundle_pkey PRIMARY KEY (tuf_repo_id),
  CONSTRAINT tuf_repo_bundle_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id),
  CONSTRAINT tuf_repo_bundle_sha256_valid CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT tuf_repo_bundle_kind_valid CHECK (kind IN ('signed', 'partly', 'unsigned'))
);
