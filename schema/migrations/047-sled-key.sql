-- The keys of the sleds that joined, by the SHA-256 of each: one key has one sled. time_replaced: when another key joined as the
-- same sled.
CREATE TABLE IF NOT EXISTS sled_key (
  public_key_sha256 TEXT NOT NULL,
  sled_id UUID NOT NULL,
  time_joined TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_replaced TIMESTAMPTZ,
  CONSTRAINT sled_key_pkey PRIMARY KEY (public_key_sha256)
);
