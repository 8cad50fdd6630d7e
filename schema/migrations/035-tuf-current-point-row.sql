INSERT INTO tuf_current_point (singleton, generation, digest)
SELECT singleton, generation, digest FROM tuf_generation_before_points
ON CONFLICT (singleton) DO NOTHING;
