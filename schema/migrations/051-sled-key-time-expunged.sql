-- Of a sled that joined and was expunged, also before it registered.
ALTER TABLE sled_key ADD COLUMN IF NOT EXISTS time_expunged TIMESTAMPTZ;
