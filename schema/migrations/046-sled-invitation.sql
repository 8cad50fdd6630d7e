-- Invitations: each lets one machine join the fleet once, by a token of which the SHA-256 alone is stored. sled_id: as which
-- sled, or NULL for a new one. replaces_sled_id: the sled that the join expunges. time_used and public_key_sha256: of the join.
CREATE TABLE IF NOT EXISTS sled_invitation (
  id UUID NOT NULL,
  sha256 TEXT NOT NULL,
  sled_id UUID,
  replaces_sled_id UUID,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_expires TIMESTAMPTZ NOT NULL,
  time_used TIMESTAMPTZ,
  public_key_sha256 TEXT,
  CONSTRAINT sled_invitation_pkey PRIMARY KEY (id),
  CONSTRAINT sled_invitation_sha256_key UNIQUE (sha256),
  CONSTRAINT sled_invitation_use_whole CHECK ((time_used IS NULL) = (public_key_sha256 IS NULL))
);
