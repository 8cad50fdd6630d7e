/** What the database waits for before it answers a commit. */
import type { Wait } from './verb.ts';

/** Settings of PostgreSQL that determine what a failover may lose. */
export type CommitDurability = {
  /** `on`, `remote_apply`, `remote_write`, `local` or `off`. */
  readonly synchronousCommit: string;
  /** `synchronous_standby_names`; empty if no commit waits for a standby. */
  readonly synchronousStandbys: string;
  /** The number of connected standbys; absent if the user may not see it. */
  readonly standbys: number | undefined;
};

export type DurabilityPort = {
  /** What the database waits for before it answers a commit; absent if the engine has no such settings. */
  readonly commitDurability: (wait: Wait) => Promise<CommitDurability | undefined>;
};
