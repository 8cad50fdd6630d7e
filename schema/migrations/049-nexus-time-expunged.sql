-- Certificates that a Nexus had before it was expunged do not count.
ALTER TABLE nexus ADD COLUMN IF NOT EXISTS time_expunged TIMESTAMPTZ;
