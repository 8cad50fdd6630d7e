-- Since when certificates of an identity do not count, whatever becomes of its row: the latest time, never removed.
CREATE TABLE IF NOT EXISTS identity_revocation (
  kind TEXT NOT NULL,
  id UUID NOT NULL,
  time_revoked TIMESTAMPTZ NOT NULL,
  CONSTRAINT identity_revocation_pkey PRIMARY KEY (kind, id),
  CONSTRAINT identity_revocation_kind_valid CHECK (kind IN ('nexus', 'sled'))
);
