INSERT INTO schema_version (singleton, version, time_modified) VALUES (true, 2, now()) ON CONFLICT (singleton) DO NOTHING;
