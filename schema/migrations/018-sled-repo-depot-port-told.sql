-- From here on a port is told by the sled, never assumed.
ALTER TABLE sled ALTER COLUMN repo_depot_port DROP DEFAULT;
