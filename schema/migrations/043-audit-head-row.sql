-- The log is empty: entry 1 follows 64 zeros.
INSERT INTO audit_head (singleton, seq, hash)
VALUES (true, 0, '0000000000000000000000000000000000000000000000000000000000000000')
ON CONFLICT (singleton) DO NOTHING;
