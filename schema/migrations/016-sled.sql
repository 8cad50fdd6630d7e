-- registration_generation: of what the sled says of itself; an older one is ignored.
-- incarnation_id and datasets are absent for a sled agent that does not tell them.
CREATE TABLE IF NOT EXISTS sled (
  id UUID NOT NULL,
  policy TEXT NOT NULL DEFAULT 'in_service',
  time_registered TIMESTAMPTZ NOT NULL DEFAULT now(),
  time_last_registered TIMESTAMPTZ NOT NULL DEFAULT now(),
  sled_agent_address TEXT NOT NULL,
  role TEXT NOT NULL,
  serial TEXT NOT NULL,
  part TEXT NOT NULL,
  revision INT8 NOT NULL,
  usable_hardware_threads INT8 NOT NULL,
  usable_physical_ram_bytes INT8 NOT NULL,
  reservoir_size_bytes INT8 NOT NULL,
  cpu_family TEXT NOT NULL,
  registration_generation INT8 NOT NULL,
  decommissioned BOOL NOT NULL,
  incarnation_id UUID,
  datasets JSONB,
  CONSTRAINT sled_pkey PRIMARY KEY (id),
  CONSTRAINT sled_policy_valid CHECK (policy IN ('in_service', 'expunged'))
);
