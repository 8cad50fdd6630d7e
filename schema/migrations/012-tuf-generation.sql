-- Rises whenever the set of wanted hashes changes, in the transaction that changes it.
-- digest: SHA-256 of that set (digestInput in src/core/artifact-config.ts).
CREATE TABLE IF NOT EXISTS tuf_generation (
  singleton BOOL NOT NULL,
  generation INT8 NOT NULL,
  digest TEXT NOT NULL,
  CONSTRAINT tuf_generation_pkey PRIMARY KEY (singleton),
  CONSTRAINT tuf_generation_singleton CHECK (singleton),
  CONSTRAINT tuf_generation_valid CHECK (generation >= 1),
  CONSTRAINT tuf_generation_digest_valid CHECK (digest ~ '^[0-9a-f]{64}$')
);
