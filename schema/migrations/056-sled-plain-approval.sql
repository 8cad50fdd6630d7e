-- The sleds that an operator approved to speak plain HTTP, each at one address; a sled need not have registered before.
CREATE TABLE IF NOT EXISTS sled_plain_approval (
  sled_id UUID NOT NULL,
  address TEXT NOT NULL,
  time_approved TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT sled_plain_approval_pkey PRIMARY KEY (sled_id)
);
