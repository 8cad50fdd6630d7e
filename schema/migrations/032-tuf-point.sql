-- Every point that the wanted set ever had in this database, written in the transaction that raises the generation.
-- Never removed: a sled that was away for a year is told by it whether its point comes from this database.
-- origin: 'first' for the one that the table began with, 'change' of the wanted set, 'raise' of the generation without
-- one, 'accepted' for a point of another history that a recovery decided on.
-- ordered_by: who accepted or raised it, where a person did. sled_id: for which sled a Nexus raised it by itself.
CREATE TABLE IF NOT EXISTS tuf_point (
  generation INT8 NOT NULL,
  digest TEXT NOT NULL,
  origin TEXT NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  ordered_by TEXT,
  sled_id UUID,
  CONSTRAINT tuf_point_pkey PRIMARY KEY (generation, digest),
  CONSTRAINT tuf_point_generation_valid CHECK (generation >= 0),
  CONSTRAINT tuf_point_digest_valid CHECK (digest ~ '^[0-9a-f]{64}$'),
  CONSTRAINT tuf_point_origin_valid CHECK (origin IN ('first', 'change', 'raise', 'accepted'))
);
