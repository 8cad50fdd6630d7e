/** Reasons of the status about the database's configuration: plain text, and what a failover may lose. */
import type { HealthReason } from '../../core/facts/reason.ts';
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
    reasons.push({ code: 'DATABASE_PLAIN_TEXT', hosts: plain });
  }
  const loss = durability === undefined ? undefined : whatMayBeLost(durability, target?.hosts.length ?? 1);
  if (loss !== undefined) reasons.push(loss);
  return reasons;
};

type Loss = HealthReason<'DATABASE_MAY_LOSE_COMMITS'>;

/** Values with which COMMIT waits until a named standby has it on disk. */
const DURABLE = ['on', 'remote_apply'];

/** A single server is no reason: it has no failover. */
const whatMayBeLost = (
  { synchronousCommit, synchronousStandbys, standbys = 0 }: CommitDurability,
  hosts: number,
): Loss | undefined => {
  if (synchronousCommit !== 'off' && standbys === 0 && hosts === 1) return undefined;
  // How many standbys make a majority, together with the primary.
  const standbysNeeded = Math.max(1, Math.floor(Math.max(standbys + 1, hosts) / 2));
  const standbysWaitedFor = waitedFor(synchronousStandbys);
  const because = whyNotDurable(synchronousCommit, standbysWaitedFor, standbysNeeded);
  if (because === undefined) return undefined;
  const facts = { synchronousCommit, standbys, hosts, standbysWaitedFor, standbysNeeded };
  return { code: 'DATABASE_MAY_LOSE_COMMITS', because, ...facts };
};

const whyNotDurable = (
  synchronousCommit: string,
  waited: number,
  needed: number,
): Loss['because'] | undefined => {
  if (synchronousCommit === 'off') return 'asynchronous_commit';
  if (waited === 0) return 'no_standby_named';
  if (!DURABLE.includes(synchronousCommit)) return 'commit_not_on_standby';
  return waited < needed ? 'too_few_standbys' : undefined;
};

/**
 * The number of standbys that a commit waits for: explicit in `ANY 2 (a, b, c)`, `FIRST 2 (…)` and `2 (…)`; one for a plain
 * list of names. Source: PostgreSQL, `synchronous_standby_names`.
 */
const waitedFor = (synchronousStandbys: string): number => {
  if (synchronousStandbys.trim() === '') return 0;
  const count = /^\s*(?:(?:any|first)\s+)?(\d+)\s*\(/i.exec(synchronousStandbys)?.[1];
  return count === undefined ? 1 : Number(count);
};
