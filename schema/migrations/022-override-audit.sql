-- What was accepted only because the operator said so, one sentence a row. Kept when the local repo is gone.
CREATE TABLE IF NOT EXISTS override_audit (
  upload_id UUID NOT NULL,
  position INT8 NOT NULL,
  nexus_id UUID NOT NULL,
  tuf_repo_id UUID NOT NULL,
  time_created TIMESTAMPTZ NOT NULL DEFAULT now(),
  sentence TEXT NOT NULL,
  CONSTRAINT override_audit_pkey PRIMARY KEY (upload_id, position),
  CONSTRAINT override_audit_repo_fkey FOREIGN KEY (tuf_repo_id) REFERENCES tuf_repo (id)
);
