-- The audit log: every change by a person, in a chain. hash: SHA-256 of the hash of the entry before, seq and content, with
-- line feeds between them. content: the entry in canonical JSON, as text, since JSONB would not keep its bytes. Append-only.
CREATE TABLE IF NOT EXISTS audit_entry (
  seq INT8 NOT NULL,
  id UUID NOT NULL,
  hash TEXT NOT NULL,
  content TEXT NOT NULL,
  CONSTRAINT audit_entry_pkey PRIMARY KEY (seq),
  CONSTRAINT audit_entry_id_key UNIQUE (id),
  CONSTRAINT audit_entry_hash_valid CHECK (hash ~ '^[0-9a-f]{64}$')
);
