/** Drops archives: the plan's verdict, a check of the sleds' bytes (P9), the transaction (P1). */
import type { SledId, UploadId } from '../../core/ids.ts';
import type { LocalRepoVerdict } from '../../core/plan/local-repos.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { PlannedSet } from '../datastore/ports/local-repo-port.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { FleetMemory } from '../sleds/sled-memory.ts';
import { spotCheck } from '../sleds/spot-check.ts';

type Deps = {
  readonly connection: SledConnection;
  readonly staging: Staging;
  readonly memory: FleetMemory;
  readonly rng: Rng;
  readonly clock: Clock;
  readonly policy: { readonly minSledReplication: number };
};

/** The dropped uploads. A failure keeps the archive and is logged; the next round retries. */
export const dropReplicated = async (
  deps: Deps,
  plan: Plan,
  planned: PlannedSet,
  sleds: ReadonlyMap<SledId, SledTarget>,
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<ReadonlySet<UploadId>> => {
  const dropped = new Set<UploadId>();
  for (const verdict of plan.localRepos) {
    const fields = { upload_id: verdict.uploadId, generation: planned.generation };
    try {
      if (!(await mayGo(deps, verdict, sleds, options))) continue;
      const outcome = await deps.staging.drop(verdict.uploadId, {
        planned,
        signal: options.signal,
      });
      if (outcome.kind === 'dropped') {
        dropped.add(verdict.uploadId);
        options.log.info({ ...fields, reason: verdict.kind }, 'local repo dropped');
      } else options.log.info({ ...fields, because: outcome.because }, 'local repo kept');
    } catch (error) {
      options.signal.throwIfAborted();
      options.log.error({ ...fields, err: error }, 'local repo could not be dropped, it is kept');
    }
  }
  return dropped;
};

const mayGo = async (
  deps: Deps,
  verdict: LocalRepoVerdict,
  sleds: ReadonlyMap<SledId, SledTarget>,
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<boolean> => {
  switch (verdict.kind) {
    case 'not_safe':
    case 'awaited':
      return false;
    case 'unlisted':
      // Not replicated, but perhaps pruned: the transaction of the drop finds out.
      return true;
    case 'replicated': {
      const holders = verdict.holders.flatMap(id => sleds.get(id) ?? []);
      const { uploadId, artifacts } = verdict;
      return spotCheck(
        deps,
        { uploadId, holders, artifacts, enough: deps.policy.minSledReplication },
        options,
      );
    }
    default:
      return verdict satisfies never;
  }
};
