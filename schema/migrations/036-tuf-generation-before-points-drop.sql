DROP TABLE IF EXISTS tuf_generation_before_points;
