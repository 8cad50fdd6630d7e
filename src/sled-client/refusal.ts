/** The details of a sled's error, beside its code. */
import type { PointClaim } from '../core/lineage.ts';
import { RETRY_AFTER_DETAIL } from '../http/answers.ts';
import { errorCodeOf, findDepotError } from '../lib/errors.ts';
import { refusedClaimOf } from '../sled-wire/refused-claim.ts';

/** The point that a refusal of a config names: the one that the sled holds. */
export const refusedClaim = (refusal: unknown): PointClaim | undefined =>
  refusedClaimOf(findDepotError(refusal)?.detail ?? {});

/** Whether the sled takes the config only after a person has accepted the point that it holds (C5). */
export const needsAcceptance = (refusal: unknown): boolean =>
  findDepotError(refusal)?.detail.reason === 'not_accepted';

/** The pause that the sled asks for. */
export const retryAfterMs = (error: unknown): number | undefined => {
  const told = findDepotError(error)?.detail[RETRY_AFTER_DETAIL];
  return typeof told === 'number' ? told * 1000 : undefined;
};

/** Whether the sled has no config, or waits for one. */
export const hasNoConfig = (error: unknown): boolean =>
  ['NO_ARTIFACT_CONFIG', 'AWAITING_FLOOR'].includes(errorCodeOf(error)) ||
  // Other sled agents answer this if they have no config.
  findDepotError(error)?.detail.status === 404;
