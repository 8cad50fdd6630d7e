-- The roots that followed a trust root, each signed by the one before it and by itself; the highest is trusted now.
-- The first of the chain is root_bytes of the trust root. Kept whole: whoever trusts an older one needs them all.
CREATE TABLE IF NOT EXISTS tuf_trust_root_chain (
  trust_root_id UUID NOT NULL,
  version INT8 NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  root_bytes BYTEA NOT NULL,
  CONSTRAINT tuf_trust_root_chain_pkey PRIMARY KEY (trust_root_id, version),
  CONSTRAINT tuf_trust_root_chain_trust_root_fkey FOREIGN KEY (trust_root_id) REFERENCES tuf_trust_root (id),
  CONSTRAINT tuf_trust_root_chain_version_valid CHECK (version >= 2)
);
