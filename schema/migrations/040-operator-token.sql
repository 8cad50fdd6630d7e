-- The tokens of operators: of each its SHA-256 alone, so that nobody who reads the database can use one. A token that is
-- revoked or expired stays for a while, to be named as such.
CREATE TABLE IF NOT EXISTS operator_token (
  id UUID NOT NULL,
  role TEXT NOT NULL,
  description TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_expires TIMESTAMPTZ NOT NULL,
  time_revoked TIMESTAMPTZ,
  time_last_used TIMESTAMPTZ,
  CONSTRAINT operator_token_pkey PRIMARY KEY (id),
  CONSTRAINT operator_token_sha256_key UNIQUE (sha256),
  CONSTRAINT operator_token_role_valid CHECK (role IN ('viewer', 'operator', 'admin'))
);
