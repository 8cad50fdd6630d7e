-- A sled has one key at a time.
CREATE UNIQUE INDEX IF NOT EXISTS sled_key_current ON sled_key (sled_id) WHERE time_replaced IS NULL;
