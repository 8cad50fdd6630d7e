-- The SHA-256 of the public key with which a sled registered, whoever issued its certificate: one key has one sled.
-- Null for one that speaks plain HTTP, or registered before.
ALTER TABLE sled ADD COLUMN IF NOT EXISTS public_key_sha256 TEXT;
