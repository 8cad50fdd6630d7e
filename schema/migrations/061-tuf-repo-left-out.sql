-- The signed targets that are no artifacts of a release, and why; NULL for none.
ALTER TABLE tuf_repo ADD COLUMN IF NOT EXISTS left_out JSONB;
