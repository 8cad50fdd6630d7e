-- Written by a Nexus before it counts what sleds hold, and seen again by the transaction that drops an archive: a pooler
-- in between hides that the database failed over meanwhile.
ALTER TABLE nexus ADD COLUMN IF NOT EXISTS round_nonce UUID;
