/** A sled that compares points: it is given the config and asked what it holds. */
import { z } from 'zod';
import type { ArtifactListResponse } from '../../api/sled-agent-api.ts';
import { Generation, SetDigest } from '../../core/ids.ts';
import { type PointClaim, type Predecessor, samePoint } from '../../core/lineage.ts';
import { DepotError, errorCodeOf, findDepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledTarget } from './sled-connection.ts';
import {
  type CollectDeps,
  claiming,
  type Draft,
  failed,
  listingDraft,
  orStalled,
  type RoundConfig,
  timed,
} from './sled-draft.ts';

/** Gives a sled that compares points the config, and asks what it holds. */
export const offerConfig = async (
  deps: CollectDeps,
  round: RoundConfig,
  target: SledTarget,
  options: { readonly succeeds: Predecessor; readonly log: Logger; readonly signal: AbortSignal },
): Promise<Draft> => {
  let refusal: unknown;
  try {
    await timed(deps, { operation: 'put_config', sledId: target.id, generation: round.generation }, () =>
      deps.connection.putConfig(target, { ...round, succeeds: options.succeeds }, options),
    );
  } catch (error) {
    if (errorCodeOf(error) !== 'CONFIG_GENERATION')
      return failed(deps, target, orStalled(error, options.signal));
    refusal = error;
  }
  try {
    const list = await timed(deps, { operation: 'list', sledId: target.id }, () =>
      deps.connection.list(target, options),
    );
    return draftOf(deps, round, target, { list, refusal, log: options.log });
  } catch (error) {
    const claim = refusedClaim(refusal);
    // A sled in doubt does not list what it holds, but it says what its refusal goes by.
    if (claim !== undefined && errorCodeOf(error) === 'AWAITING_FLOOR')
      return claiming(deps, target, { claim, list: undefined, refusal });
    return failed(deps, target, orStalled(error, options.signal));
  }
};

const draftOf = (
  deps: CollectDeps,
  round: RoundConfig,
  target: SledTarget,
  answer: { readonly list: ArtifactListResponse; readonly refusal: unknown; readonly log: Logger },
): Draft => {
  const { list, refusal, log } = answer;
  if (list.config_digest === undefined) {
    const words = 'does not say which set it holds, although it registered as one that does';
    return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words));
  }
  const claim: PointClaim = {
    generation: list.generation,
    digest: list.config_digest,
    hasLineage: list.lineage ?? false,
  };
  deps.memory.sled(target.id).claim = claim;
  if (samePoint(claim, round)) {
    if (refusal === undefined) return listingDraft(deps, target, round, list, log); // CO4
    const words = `refuses the config of generation ${list.generation} that it lists`;
    return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words, { cause: refusal }));
  }
  if (refusal === undefined && list.generation < round.generation) {
    const words = `lists generation ${list.generation} after it was given ${round.generation}`;
    return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words));
  }
  return claiming(deps, target, { claim, list, refusal });
};

/** The point that a sled's refusal names. */
const refusedClaim = (refusal: unknown): PointClaim | undefined => {
  const { held, held_digest: digest, held_lineage: hasLineage } = findDepotError(refusal)?.detail ?? {};
  const parsed = z
    .object({ generation: Generation, digest: SetDigest, hasLineage: z.boolean() })
    .safeParse({ generation: held, digest, hasLineage });
  return parsed.data;
};
