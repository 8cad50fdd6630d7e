INSERT INTO tuf_point (generation, digest, origin)
SELECT generation, digest, 'first' FROM tuf_generation_before_points
ON CONFLICT (generation, digest) DO NOTHING;
