-- Who pruned a release: NULL for a person, and for one that is present or was pruned before this was recorded.
ALTER TABLE tuf_repo ADD COLUMN IF NOT EXISTS pruned_by TEXT;
