-- The newest entry of the audit log; changes by persons take turns by this row.
CREATE TABLE IF NOT EXISTS audit_head (
  singleton BOOL NOT NULL,
  seq INT8 NOT NULL,
  hash TEXT NOT NULL,
  CONSTRAINT audit_head_pkey PRIMARY KEY (singleton),
  CONSTRAINT audit_head_singleton CHECK (singleton)
);
