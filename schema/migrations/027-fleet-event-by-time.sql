CREATE INDEX IF NOT EXISTS fleet_event_by_time ON fleet_event (time, id);
