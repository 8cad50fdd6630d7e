CREATE INDEX IF NOT EXISTS local_repo_by_nexus ON local_repo (nexus_id);
