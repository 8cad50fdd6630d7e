-- A Nexus of an earlier version fails from here on, instead of writing points that nobody records.
ALTER TABLE IF EXISTS tuf_generation RENAME TO tuf_generation_before_points;
