INSERT INTO target_release (generation, tuf_repo_id) VALUES (1, NULL) ON CONFLICT (generation) DO NOTHING;
