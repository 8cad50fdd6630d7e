-- The versions accepted of delegated roles, by name: `{"role": version}`. Absent where there are none.
ALTER TABLE tuf_trust_root ADD COLUMN IF NOT EXISTS accepted_delegated JSONB;
