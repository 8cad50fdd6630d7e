-- ADD CONSTRAINT has no IF NOT EXISTS. Where the constraint exists, the answer is SQLSTATE 42710, which a migration
-- takes as done (src/nexus/datastore/migrate.ts, V3): databases that an earlier version migrated have it already.
ALTER TABLE sled ADD CONSTRAINT sled_repo_depot_port_valid CHECK (repo_depot_port BETWEEN 1 AND 65535);
