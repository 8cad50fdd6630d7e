-- The history: what was asked of sleds, what came of it, and what changed. For people; nothing is decided by it.
-- time: by the clock of the Nexus that wrote the row. id: made by Nexus, so that a batch may be written again.
-- No reference to other tables: an event outlives what it speaks of, and is removed by age and count alone.
CREATE TABLE IF NOT EXISTS fleet_event (
  id UUID NOT NULL,
  time TIMESTAMPTZ NOT NULL,
  nexus_id UUID NOT NULL,
  kind TEXT NOT NULL,
  sled_id UUID,
  sha256 TEXT,
  generation INT8,
  system_version TEXT,
  source_sled_id UUID,
  elapsed_ms INT8,
  error_code TEXT,
  message TEXT,
  CONSTRAINT fleet_event_pkey PRIMARY KEY (id)
);
