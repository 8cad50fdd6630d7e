-- The keys of machines that an admin refused to let join by their key, until one is approved.
CREATE TABLE IF NOT EXISTS sled_key_denied (
  public_key_sha256 TEXT NOT NULL,
  time_denied TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT sled_key_denied_pkey PRIMARY KEY (public_key_sha256)
);
