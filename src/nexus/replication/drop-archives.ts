/**
 * Drops archives: the plan's verdict, a check of the sleds' bytes (P9), the transaction (P1).
 *
 * DRP1. An archive that may go and stays has its reason, from the first minute on: a drop that meets a newer config succeeds
 *      in the next round, and is no news.
 */
import type { HealthReason } from '../../core/facts/reason.ts';
import type { SledId, UploadId } from '../../core/ids.ts';
import type { LocalRepoVerdict } from '../../core/plan/local-repos.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageChain } from '../../lib/errors.ts';
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
  /** Changed here alone. */
  readonly kept: KeptArchives;
};

/** From here on an archive that could not be dropped is a reason. */
const KEPT_IS_NEWS_AFTER_MS = 60_000;

export type DropRound = {
  readonly dropped: ReadonlySet<UploadId>;
  readonly reasons: readonly HealthReason<'ARCHIVE_KEPT'>[];
};

/** Since when an archive that may go has been kept, by both clocks. */
export type KeptArchives = Map<UploadId, { readonly sinceMs: number; readonly sinceMonotonicMs: number }>;

type WhyKept = Pick<HealthReason<'ARCHIVE_KEPT'>, 'because' | 'error'>;

/** A failure keeps the archive and is logged; the next round retries. */
export const dropReplicated = async (
  deps: Deps,
  plan: Plan,
  planned: PlannedSet,
  sleds: ReadonlyMap<SledId, SledTarget>,
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<DropRound> => {
  const dropped = new Set<UploadId>();
  const kept = new Map<UploadId, WhyKept>();
  for (const verdict of plan.localRepos) {
    const { uploadId } = verdict;
    const fields = { upload_id: uploadId, generation: planned.generation };
    try {
      const verdictOfSleds = await mayGo(deps, verdict, sleds, options);
      if (verdictOfSleds === 'unproven') kept.set(uploadId, { because: 'sleds_unproven' });
      if (verdictOfSleds !== 'may_go') continue;
      const outcome = await deps.staging.drop(uploadId, { planned, signal: options.signal });
      if (outcome.kind === 'dropped') {
        dropped.add(uploadId);
        options.log.info({ ...fields, reason: verdict.kind }, 'local repo dropped');
      } else {
        if (verdict.kind === 'replicated') kept.set(uploadId, { because: outcome.because });
        options.log.info({ ...fields, because: outcome.because }, 'local repo kept');
      }
    } catch (error) {
      options.signal.throwIfAborted();
      kept.set(uploadId, { because: 'drop_failed', error: messageChain(error) });
      options.log.error({ ...fields, err: error }, 'local repo could not be dropped, it is kept');
    }
  }
  return { dropped, reasons: keptForLong(deps, kept) };
};

/** DRP1 */
const keptForLong = (
  { clock, kept: before }: Deps,
  kept: ReadonlyMap<UploadId, WhyKept>,
): HealthReason<'ARCHIVE_KEPT'>[] => {
  for (const uploadId of before.keys()) if (!kept.has(uploadId)) before.delete(uploadId);
  const nowMs = clock.monotonicMs();
  return [...kept].flatMap(([uploadId, why]) => {
    const since = before.get(uploadId) ?? { sinceMs: clock.nowMs(), sinceMonotonicMs: nowMs };
    before.set(uploadId, since);
    return nowMs - since.sinceMonotonicMs < KEPT_IS_NEWS_AFTER_MS
      ? []
      : [{ code: 'ARCHIVE_KEPT' as const, uploadId, ...why, sinceMs: since.sinceMs }];
  });
};

const mayGo = async (
  deps: Deps,
  verdict: LocalRepoVerdict,
  sleds: ReadonlyMap<SledId, SledTarget>,
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<'may_go' | 'stays' | 'unproven'> => {
  switch (verdict.kind) {
    case 'not_safe':
    case 'awaited':
      return 'stays';
    case 'unlisted':
      // Not replicated, but perhaps pruned: the transaction of the drop finds out.
      return 'may_go';
    case 'replicated': {
      const holders = verdict.holders.flatMap(id => sleds.get(id) ?? []);
      const { uploadId, artifacts } = verdict;
      const enough = deps.policy.minSledReplication;
      const isProven = await spotCheck(deps, { uploadId, holders, artifacts, enough }, options);
      return isProven ? 'may_go' : 'unproven';
    }
    default:
      return verdict satisfies never;
  }
};
