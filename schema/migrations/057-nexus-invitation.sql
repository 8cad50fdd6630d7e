-- Invitations of further Nexuses: each lets one machine join the fleet once, as nexus_id, by a token of which the SHA-256 alone is
-- stored. time_used and public_key_sha256: of the join.
CREATE TABLE IF NOT EXISTS nexus_invitation (
  id UUID NOT NULL,
  sha256 TEXT NOT NULL,
  nexus_id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_expires TIMESTAMPTZ NOT NULL,
  time_used TIMESTAMPTZ,
  public_key_sha256 TEXT,
  CONSTRAINT nexus_invitation_pkey PRIMARY KEY (id),
  CONSTRAINT nexus_invitation_sha256_key UNIQUE (sha256),
  CONSTRAINT nexus_invitation_use_whole CHECK ((time_used IS NULL) = (public_key_sha256 IS NULL))
);
