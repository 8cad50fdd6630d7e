-- The serial number that the sled has to report to register with this key, by the invitation that it joined with; NULL: any.
ALTER TABLE sled_key ADD COLUMN IF NOT EXISTS serial TEXT;
