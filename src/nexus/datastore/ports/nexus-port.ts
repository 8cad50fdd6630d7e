/** Nexus instances: their heartbeats, the nonces of their rounds, and whether they are in service (P8). */
import type { Policy } from '../../../core/facts/event.ts';
import type { NexusId, RoundNonce } from '../../../core/ids.ts';
import type { Audited } from './audit-port.ts';
import type { Wait } from './verb.ts';

/**
 * How long a Nexus has to have been silent, in milliseconds; or that it is in the hands of somebody else: then it is expunged although
 * it is alive, and although a database that was restored does not know it.
 */
export type ExpungeRule = number | 'compromised';

export type NexusRecord = {
  readonly id: NexusId;
  readonly policy: Policy;
  readonly timeExpungedMs: number | undefined;
  readonly operatorAddress: string;
  readonly timeStartedMs: number;
  readonly timeHeartbeatMs: number;
  /** By the database's clock only (P8). */
  readonly heartbeatAgeMs: number;
  readonly localRepos: number;
};

export type NexusPort = {
  /** Inserts or refreshes the row of this Nexus, whose policy says whether it has been expunged. */
  readonly nexusHeartbeat: (
    nexus: { readonly id: NexusId; readonly operatorAddress: string; readonly timeStartedMs: number },
    wait: Wait,
  ) => Promise<{ readonly policy: Policy }>;
  /** Writes a nonce to the row of this Nexus, before it counts. False when the database has no such row. */
  readonly nexusBeginRound: (id: NexusId, nonce: RoundNonce, wait: Wait) => Promise<boolean>;
  readonly nexusList: (wait: Wait) => Promise<readonly NexusRecord[]>;
  /** `NEXUS_ALIVE` while its heartbeat is younger than the rule says; `NOT_FOUND` when absent. */
  readonly nexusExpunge: (id: NexusId, rule: ExpungeRule, wait: Audited) => Promise<void>;
};
