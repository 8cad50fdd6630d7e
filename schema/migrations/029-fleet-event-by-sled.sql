CREATE INDEX IF NOT EXISTS fleet_event_by_sled ON fleet_event (sled_id, time, id);
