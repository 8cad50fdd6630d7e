import type { Point } from '../../core/ids.ts';
import { samePoint, standingOf } from '../../core/lineage.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { hasNoConfig } from '../../sled-client/refusal.ts';
import type { SledTarget } from '../../sled-client/sled-connection.ts';
import {
  type CollectDeps,
  claiming,
  type Draft,
  failed,
  giveConfig,
  listingDraft,
  listSled,
  orStalled,
  type RoundConfig,
} from './sled-draft.ts';

/**
 * A sled that cannot compare points receives a config only if the database knows its present one. Its list counts only
 * if it has the config of this round before and after the list (P13).
 */
export const askWithoutPoints = async (
  deps: CollectDeps,
  round: RoundConfig,
  target: SledTarget,
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<Draft> => {
  try {
    const before = await configOf(deps, target, options);
    if (before !== undefined && !samePoint(before, round)) {
      const claim = { generation: before.generation, digest: before.digest, hasLineage: false };
      const now = await deps.pointsRecorded([claim], options);
      if (standingOf(claim, round, now) !== 'ancestor')
        return claiming(deps, target, { claim, report: undefined, refusal: undefined });
    }
    const { generation, artifacts } = round;
    await giveConfig(deps, target, { generation, artifacts }, options);
    const given = await configOf(deps, target, options);
    const report = await listSled(deps, target, options);
    const after = await configOf(deps, target, options);
    const isRounds = (config: Point | undefined) => config !== undefined && samePoint(config, round);
    if (isRounds(given) && isRounds(after) && report.generation === round.generation)
      return listingDraft(deps, target, round, report, options.log);
    const words = `has another config than the one of generation ${round.generation} that it was given`;
    return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words));
  } catch (error) {
    return failed(deps, target, orStalled(error, options.signal));
  }
};

/** Undefined while the sled has no config, or waits for a floor. */
const configOf = async (
  deps: CollectDeps,
  target: SledTarget,
  { signal }: { readonly signal: AbortSignal },
): Promise<Point | undefined> => {
  try {
    return await deps.connection.config(target, { signal });
  } catch (error) {
    if (hasNoConfig(error)) return undefined;
    throw error;
  }
};
