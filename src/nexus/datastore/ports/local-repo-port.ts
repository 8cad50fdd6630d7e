/** Which archives each Nexus still holds, and when one may be dropped (P1). */
import type { Generation, NexusId, Point, RepoId, RoundNonce, UploadId } from '../../../core/ids.ts';
import type { Wait } from './verb.ts';

/** An archive that a Nexus still holds. */
export type LocalRepoRecord = {
  readonly uploadId: UploadId;
  readonly nexusId: NexusId;
  readonly repoId: RepoId;
  readonly timeCreatedMs: number;
};

/**
 * The wanted set that a round was planned for: the point, not its number alone, since a restored database counts the same
 * generations again (B5). This Nexus wrote the `nonce` before it read that set; a database that failed over since may not
 * have it (P13).
 */
export type PlannedSet = Point & { readonly nonce: RoundNonce };

/** Nothing was changed: the generation or its set is not that of the plan, or the nonce of the round is missing. */
export type KeptLocalRepo = {
  readonly kind: 'kept';
  readonly because: 'generation_changed' | 'set_changed' | 'round_lost';
  /** The present generation of the database. */
  readonly generation: Generation;
};

export type DropOutcome = { readonly kind: 'dropped' | 'absent' } | KeptLocalRepo;

export type LocalRepoPort = {
  /** Of all Nexus instances, or of one. */
  readonly localRepoList: (
    options: Wait & { readonly nexusId?: NexusId },
  ) => Promise<readonly LocalRepoRecord[]>;
  /**
   * Removes the row of one upload if the wanted set is the planned one, whether the release is present or pruned, and
   * this Nexus's row still has the nonce that was written before the sleds were counted.
   * Anything else changes nothing and says why: the caller keeps the file (P1).
   */
  readonly localRepoDrop: (
    drop: { readonly uploadId: UploadId; readonly nexusId: NexusId; readonly planned: PlannedSet },
    wait: Wait,
  ) => Promise<DropOutcome>;
  /** Removes a row whose archive is gone (P4, at start). */
  readonly localRepoForget: (uploadId: UploadId, nexusId: NexusId, wait: Wait) => Promise<void>;
};
