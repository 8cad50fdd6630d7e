-- Those that are known from before the table.
INSERT INTO identity_revocation (kind, id, time_revoked)
SELECT kind, id, max(time_revoked)
FROM (
  SELECT 'nexus' AS kind, id, time_expunged AS time_revoked FROM nexus
  UNION ALL SELECT 'sled', id, time_expunged FROM sled
  UNION ALL SELECT 'sled', sled_id, time_expunged FROM sled_key
  UNION ALL SELECT 'sled', sled_id, time_replaced FROM sled_key
) AS known
WHERE time_revoked IS NOT NULL
GROUP BY kind, id
ON CONFLICT (kind, id) DO NOTHING;
