-- Statements that admin keys signed, each as it was sent: never changed, never removed.
CREATE TABLE IF NOT EXISTS admin_statement (
  sha256 TEXT NOT NULL,
  statement TEXT NOT NULL,
  signature TEXT NOT NULL,
  key_sha256 TEXT NOT NULL,
  time_recorded TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT admin_statement_pkey PRIMARY KEY (sha256)
);
