/** Checks whether a commit of the database outlives a failover: at the start, once an hour, and each minute while it may not. */
import { toDetails } from '../../core/facts/details.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import { renderReason } from '../../core/facts/reason-text.ts';
import { parseDatabaseUrl } from '../datastore/database-url.ts';
import type { CommitDurability, DurabilityPort } from '../datastore/ports/durability-port.ts';
import { databaseReasons } from './database-reasons.ts';
import type { BackgroundTask } from './task.ts';

const COMMIT_DURABILITY_TASK = 'commit_durability';
/** It changes only when the database is reconfigured. */
const PERIOD_MS = 3_600_000;
/** For an operator who is fixing it, and after a failover that changes it. */
const PERIOD_WHILE_AT_RISK_MS = 60_000;

export type CommitDurabilityWatch = {
  readonly task: BackgroundTask;
  /** The result of the last successful check. */
  readonly reasons: () => readonly HealthReason[];
};

export const createCommitDurability = (deps: {
  readonly datastore: Pick<DurabilityPort, 'commitDurability'>;
  readonly databaseUrl: string;
}): CommitDurabilityWatch => {
  const parsed = parseDatabaseUrl(deps.databaseUrl);
  const target = 'fault' in parsed ? undefined : parsed;
  let durability: CommitDurability | undefined;
  /** A repeated reason is logged once. */
  let logged: ReadonlySet<string> = new Set();
  return {
    reasons: () => databaseReasons(target, durability),
    task: {
      name: COMMIT_DURABILITY_TASK,
      description: 'check whether the commits of the database outlive a failover',
      periodMs: PERIOD_MS,
      async activate({ log, signal }) {
        durability = await deps.datastore.commitDurability({ signal });
        const reasons = databaseReasons(target, durability);
        const told = new Map(reasons.map(reason => [renderReason(reason).message, toDetails(reason)]));
        for (const [message, details] of told) if (!logged.has(message)) log.warn(details, message);
        logged = new Set(told.keys());
        const isAtRisk = reasons.some(({ code }) => code === 'DATABASE_MAY_LOSE_COMMITS');
        return {
          ...(isAtRisk && { againInMs: PERIOD_WHILE_AT_RISK_MS }),
          summary:
            durability === undefined
              ? { engine: 'has no such settings' }
              : {
                  synchronous_commit: durability.synchronousCommit,
                  synchronous_standby_names: durability.synchronousStandbys,
                  standbys: durability.standbys ?? 'not permitted to read',
                },
        };
      },
    },
  };
};
