-- time_heartbeat is set and compared by the database's clock only.
CREATE TABLE IF NOT EXISTS nexus (
  id UUID NOT NULL,
  policy TEXT NOT NULL DEFAULT 'in_service',
  operator_address TEXT NOT NULL,
  time_started TIMESTAMPTZ NOT NULL,
  time_heartbeat TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT nexus_pkey PRIMARY KEY (id),
  CONSTRAINT nexus_policy_valid CHECK (policy IN ('in_service', 'expunged'))
);
