CREATE INDEX IF NOT EXISTS fleet_event_by_artifact ON fleet_event (sha256, time, id);
