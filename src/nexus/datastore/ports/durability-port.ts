/** What the database waits for before it answers a commit. */
import type { Wait } from './verb.ts';

/** Settings of PostgreSQL, by which one can tell what a failover may lose. */
export type CommitDurability = {
  /** `on`, `remote_apply`, `remote_write`, `local` or `off`. */
  readonly synchronousCommit: string;
  /** `synchronous_standby_names`; empty where no commit waits for a standby. */
  readonly synchronousStandbys: string;
  /** How many follow it now; absent where the user may not see that. */
  readonly standbys: number | undefined;
};

export type DurabilityPort = {
  /** What the database waits for before it answers a commit; absent where the engine has no such settings. */
  readonly commitDurability: (wait: Wait) => Promise<CommitDurability | undefined>;
};
