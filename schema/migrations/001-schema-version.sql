-- Which migrations this database has had. One row; locked while a migration runs, so no migration alters this table.
CREATE TABLE IF NOT EXISTS schema_version (
  singleton BOOL NOT NULL,
  version INT8 NOT NULL,
  time_modified TIMESTAMPTZ NOT NULL,
  CONSTRAINT schema_version_pkey PRIMARY KEY (singleton),
  CONSTRAINT schema_version_singleton CHECK (singleton)
);
