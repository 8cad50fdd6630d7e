-- The default gives rows that are there already the port 12348. That is right for each of them: a sled agent
-- from before this column cannot be told another port, it listens on 12348 or not at all, and a newer one
-- replaces the value when it registers, which it does at each start. Migration 030 adds the column's constraint:
-- an engine may ignore IF NOT EXISTS for a constraint that stands in the same statement.
ALTER TABLE sled ADD COLUMN IF NOT EXISTS repo_depot_port INT4 NOT NULL DEFAULT 12348;
