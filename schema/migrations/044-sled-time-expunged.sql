-- A certificate of an expunged sled is valid for a while, and until then its row must refuse its registration.
ALTER TABLE sled ADD COLUMN IF NOT EXISTS time_expunged TIMESTAMPTZ;
