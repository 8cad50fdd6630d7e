/** A sled that compares points: it receives the config, lists its artifacts, and receives the bundles that it lacks. */
import type { OfferedConfig } from '../../core/artifact-config.ts';
import { isListing } from '../../core/inventory.ts';
import { type PointClaim, samePoint } from '../../core/lineage.ts';
import type { SledReport } from '../../core/sled-report.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { refusedClaim } from '../../sled-client/refusal.ts';
import type { SledTarget } from '../../sled-client/sled-connection.ts';
import { askWhetherUnchanged } from './affirmed.ts';
import { offeredReleases } from './offered-releases.ts';
import {
  type CollectDeps,
  claiming,
  type Draft,
  failed,
  giveConfig,
  listingDraft,
  listSled,
  type OfferedRound,
  orStalled,
  type RoundConfig,
} from './sled-draft.ts';

/** What a config says of the point that the sled is believed to hold. */
export type Succession = Required<Pick<OfferedConfig, 'succeeds'>> & Pick<OfferedConfig, 'unknownPoint'>;

/** Sends the config to a sled that compares points, and lists its artifacts; neither where the sled affirms its last listing. */
export const offerConfig = async (
  deps: CollectDeps,
  round: OfferedRound,
  target: SledTarget,
  options: Succession & { readonly log: Logger; readonly signal: AbortSignal },
): Promise<Draft> => {
  const unchanged = await askWhetherUnchanged(deps, round.offer, target, options);
  if (unchanged !== undefined) return unchanged;
  let refusal: unknown;
  try {
    const { generation, artifacts } = round;
    const releases = offeredReleases(round.releases);
    const { succeeds, unknownPoint } = options;
    await giveConfig(deps, target, { generation, artifacts, succeeds, unknownPoint, releases }, options);
  } catch (error) {
    if (errorCodeOf(error) !== 'CONFIG_GENERATION')
      return failed(deps, target, orStalled(error, options.signal));
    refusal = error;
  }
  try {
    const report = await listWithBundles(deps, round, target, options);
    return draftOf(deps, round, target, { report, refusal, log: options.log });
  } catch (error) {
    const claim = refusedClaim(refusal);
    // A sled in doubt lists nothing, but its refusal names its point.
    if (claim !== undefined && errorCodeOf(error) === 'AWAITING_FLOOR')
      return claiming(deps, target, { claim, report: undefined, refusal });
    return failed(deps, target, orStalled(error, options.signal));
  }
};

/** A sled that lacks bundles receives them, and lists again what it may store by now. */
const listWithBundles = async (
  deps: CollectDeps,
  round: RoundConfig,
  target: SledTarget,
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<SledReport> => {
  const report = await listSled(deps, target, options);
  const offered = new Set(round.releases.map(({ bundle }) => bundle?.sha256));
  const missing = (report.bundles ?? [])
    .filter(({ sha256, state }) => state === 'missing' && offered.has(sha256)) // PBU1
    .map(({ sha256 }) => sha256);
  const { sent } = await deps.pushBundles(target, missing, options);
  return sent === 0 ? report : await listSled(deps, target, options);
};

const draftOf = (
  deps: CollectDeps,
  round: OfferedRound,
  target: SledTarget,
  answer: { readonly report: SledReport; readonly refusal: unknown; readonly log: Logger },
): Draft => {
  const { report, refusal, log } = answer;
  if (report.digest === undefined) {
    const words = 'does not say which set it holds, although it registered as one that does';
    return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words));
  }
  const claim: PointClaim = {
    generation: report.generation,
    digest: report.digest,
    hasLineage: report.hasLineage,
  };
  deps.memory.claimed(target.id, claim);
  if (samePoint(claim, round)) {
    if (refusal === undefined) return keptDraft(deps, target, round, report, log); // CO4
    const words = `refuses the config of generation ${report.generation} that it lists`;
    return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words, { cause: refusal }));
  }
  if (refusal === undefined && report.generation < round.generation) {
    const words = `lists generation ${report.generation} after it was given ${round.generation}`;
    return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words));
  }
  return claiming(deps, target, { claim, report, refusal });
};

const keptDraft = (
  deps: CollectDeps,
  target: SledTarget,
  round: OfferedRound,
  report: SledReport,
  log: Logger,
): Draft => {
  const draft = listingDraft(deps, target, round, report, log);
  const { answer } = draft.collected;
  if (isListing(answer)) deps.listings.keep(target.id, round.offer, { report, listing: answer });
  return draft;
};
