-- When an earlier version expunged a Nexus is not known: no earlier than now is safe to assume.
UPDATE nexus SET time_expunged = now() WHERE policy = 'expunged' AND time_expunged IS NULL;
