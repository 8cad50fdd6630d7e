-- The points that a sled has on its datasets, and those that it keeps from other histories. Absent for a sled agent that
-- does not compare points.
ALTER TABLE sled ADD COLUMN IF NOT EXISTS heads JSONB;
