-- Where the wanted set is now. The generation rises whenever the set of wanted hashes changes, in the transaction that
-- changes it; the row is what such transactions take turns by.
-- digest: SHA-256 of that set (digestInput in src/core/artifact-config.ts).
CREATE TABLE IF NOT EXISTS tuf_current_point (
  singleton BOOL NOT NULL,
  generation INT8 NOT NULL,
  digest TEXT NOT NULL,
  CONSTRAINT tuf_current_point_pkey PRIMARY KEY (singleton),
  CONSTRAINT tuf_current_point_singleton CHECK (singleton),
  CONSTRAINT tuf_current_point_valid CHECK (generation >= 1),
  CONSTRAINT tuf_current_point_digest_valid CHECK (digest ~ '^[0-9a-f]{64}$')
);
