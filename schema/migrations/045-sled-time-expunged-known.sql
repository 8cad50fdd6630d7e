-- When an earlier version expunged a sled is not known: no earlier than now is safe to assume.
UPDATE sled SET time_expunged = now() WHERE policy = 'expunged' AND time_expunged IS NULL;
