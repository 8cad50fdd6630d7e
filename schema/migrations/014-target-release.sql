-- The release that the fleet should run is that of the highest generation; the first row is before any was set.
CREATE TABLE IF NOT EXISTS target_release (
  generation INT8 NOT NULL,
  time_requested TIMESTAMPTZ NOT NULL DEFAULT now(),
  tuf_repo_id UUID,
  CONSTRAINT target_release_pkey PRIMARY KEY (generation),
  CONSTRAINT target_release_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id),
  CONSTRAINT target_release_first_has_none CHECK ((generation = 1) = (tuf_repo_id IS NULL))
);
