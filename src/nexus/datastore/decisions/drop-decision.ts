/** Whether a Nexus may drop an archive that it holds (P1, P13, G4). */
import type { Point, RoundNonce, SystemVersion } from '../../../core/ids.ts';
import { samePoint } from '../../../core/lineage.ts';
import type { DropOutcome, PlannedSet } from '../ports/local-repo-port.ts';

/** The release of the local repo, as this transaction sees it. */
export type HeldRelease = { readonly systemVersion: SystemVersion };

/**
 * `dropped` asks for the row to be removed, if it is there.
 *
 * @param held undefined when this Nexus has no row of this upload
 * @param stored what is wanted now, and the nonce in the row of this Nexus
 * @param planned the wanted set at which the sleds that hold the release were counted
 * @param repeated an earlier attempt of the same drop may have been committed
 */
export const decideDrop = (
  held: HeldRelease | undefined,
  stored: Point & { readonly nonce: RoundNonce | null },
  planned: PlannedSet,
  { repeated }: { readonly repeated: boolean },
): DropOutcome => {
  // Of a round the nonce is younger than the rows: where it is, only a drop removed the row.
  const isSameRound = stored.nonce === planned.nonce;
  if (held === undefined) return { kind: repeated && isSameRound ? 'dropped' : 'absent' };
  // Of a deleted release too: what others list of it was counted against the wanted set of the plan.
  const counted = `release ${held.systemVersion} was counted at generation ${planned.generation}`;
  if (stored.generation !== planned.generation)
    return { kind: 'kept', reason: `${counted}, and the generation is ${stored.generation} now` };
  if (!samePoint(stored, planned))
    return {
      kind: 'kept',
      reason: `${counted}, which is another set now: the database was restored or failed over`,
    };
  if (!isSameRound)
    return { kind: 'kept', reason: `${counted} by a database that has failed over or been restored since` };
  return { kind: 'dropped' };
};
