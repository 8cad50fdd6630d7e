/** What the status says of the database's configuration: who reads along, and what a failover may lose. */
import type { HealthReason } from '../../core/health.ts';
import { plainTextHosts } from '../datastore/database-tls.ts';
import type { DatabaseTarget } from '../datastore/database-url.ts';
import type { CommitDurability } from '../datastore/datastore.ts';

export const databaseReasons = (
  target: DatabaseTarget | undefined,
  durability: CommitDurability | undefined,
): readonly HealthReason[] => {
  const reasons: HealthReason[] = [];
  const plain = target === undefined ? [] : plainTextHosts(target);
  if (plain.length > 0) {
    const message = `the database is reached without transport security at ${plain.join(', ')}: passwords and statements can be read and changed on the way; set sslmode=verify-full and sslrootcert in database.url`;
    reasons.push({ code: 'DATABASE_PLAIN_TEXT', message });
  }
  const loss = durability === undefined ? undefined : whatMayBeLost(durability, target?.hosts.length ?? 1);
  if (loss !== undefined) reasons.push({ code: 'DATABASE_MAY_LOSE_COMMITS', message: loss });
  return reasons;
};

const LOST = 'the latest releases, deletions and target releases that were acknowledged';
/** Values with which COMMIT waits for a standby, where one is named. */
const WAITING = ['on', 'remote_apply', 'remote_write'];

/** One server that is meant to be alone is no reason: it has no failover. */
const whatMayBeLost = (
  { synchronousCommit, synchronousStandbys, standbys = 0 }: CommitDurability,
  hosts: number,
): string | undefined => {
  if (synchronousCommit === 'off') {
    return `synchronous_commit is off, so a crash of the database may lose ${LOST}; set it to on`;
  }
  if (standbys === 0 && hosts === 1) return undefined;
  if (synchronousStandbys !== '' && WAITING.includes(synchronousCommit)) return undefined;
  const seen = standbys > 0 ? `has ${standbys} standby(s)` : `has ${hosts} hosts in database.url`;
  const cause =
    synchronousStandbys === ''
      ? 'synchronous_standby_names is empty'
      : `synchronous_commit is ${synchronousCommit}`;
  return `the database ${seen}, but no commit waits for a standby, as ${cause}: a failover may lose ${LOST}; set synchronous_standby_names, such as 'ANY 1 (*)', and synchronous_commit = on`;
};
