/** What the status says of the database's configuration: who reads along, and what a failover may lose. */
import type { HealthReason } from '../../core/health.ts';
import { plainTextHosts } from '../datastore/database-tls.ts';
import type { DatabaseTarget } from '../datastore/database-url.ts';
import type { CommitDurability } from '../datastore/ports/durability-port.ts';

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
/** Values with which COMMIT waits until a standby, where one is named, has it on disk. */
const DURABLE = ['on', 'remote_apply'];

/** One server that is meant to be alone is no reason: it has no failover. */
const whatMayBeLost = (
  { synchronousCommit, synchronousStandbys, standbys = 0 }: CommitDurability,
  hosts: number,
): string | undefined => {
  if (synchronousCommit === 'off') {
    return `synchronous_commit is off, so a crash of the database may lose ${LOST}; set it to on`;
  }
  if (standbys === 0 && hosts === 1) return undefined;
  const seen = standbys > 0 ? `has ${standbys} standby(s)` : `has ${hosts} hosts in database.url`;
  const majority = Math.max(1, Math.floor(Math.max(standbys + 1, hosts) / 2));
  const cause = whyNotDurable(synchronousCommit, waitedFor(synchronousStandbys), majority);
  return (
    cause &&
    `the database ${seen}, but ${cause}: a failover may lose ${LOST}; set synchronous_standby_names, such as 'ANY ${majority} (*)', and synchronous_commit = on`
  );
};

/** @param majority how many standbys make one, together with the primary */
const whyNotDurable = (synchronousCommit: string, waited: number, majority: number): string | undefined => {
  if (waited === 0) return 'no commit waits for a standby, as synchronous_standby_names is empty';
  if (synchronousCommit === 'remote_write')
    return 'no commit waits until a standby has it on disk, as synchronous_commit is remote_write';
  if (!DURABLE.includes(synchronousCommit))
    return `no commit waits for a standby, as synchronous_commit is ${synchronousCommit}`;
  if (waited < majority)
    return `each commit waits for ${waited} standby(s) only, where ${majority} and the primary are a majority`;
  return undefined;
};

/**
 * For how many standbys a commit waits: `ANY 2 (a, b, c)`, `FIRST 2 (…)` and `2 (…)` say it, and a list of names alone is
 * one. Source: PostgreSQL, `synchronous_standby_names`.
 */
const waitedFor = (synchronousStandbys: string): number => {
  if (synchronousStandbys.trim() === '') return 0;
  const count = /^\s*(?:(?:any|first)\s+)?(\d+)\s*\(/i.exec(synchronousStandbys)?.[1];
  return count === undefined ? 1 : Number(count);
};
