-- The serial number that the machine has to report to join by this invitation; NULL: any.
ALTER TABLE sled_invitation ADD COLUMN IF NOT EXISTS serial TEXT;
