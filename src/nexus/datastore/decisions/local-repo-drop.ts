/** Whether a Nexus may let go of an archive that it holds (P1, G4). */
import type { SystemVersion } from '../../../core/ids.ts';
import type { Datastore, PlannedSet } from '../datastore.ts';

export type DropOutcome = Awaited<ReturnType<Datastore['localRepoDrop']>>;

/** The release of the local repo, as this transaction sees it. */
export type HeldRelease = { readonly systemVersion: SystemVersion };

/**
 * `dropped` asks for the row to be removed, if it is there.
 *
 * @param held undefined when this Nexus has no row of this upload
 * @param stored what is wanted now
 * @param planned the wanted set at which the sleds that hold the release were counted
 * @param repeated an earlier attempt of the same drop may have been committed
 */
export const decideDrop = (
  held: HeldRelease | undefined,
  stored: PlannedSet,
  planned: PlannedSet,
  { repeated }: { readonly repeated: boolean },
): DropOutcome => {
  if (held === undefined) return { kind: repeated ? 'dropped' : 'absent' };
  // Of a deleted release too: what others list of it was counted against the wanted set of the plan.
  const counted = `release ${held.systemVersion} was counted at generation ${planned.generation}`;
  if (stored.generation !== planned.generation)
    return { kind: 'kept', reason: `${counted}, and the generation is ${stored.generation} now` };
  if (stored.digest !== planned.digest)
    return { kind: 'kept', reason: `${counted}, which is another one now: the database went back` };
  return { kind: 'dropped' };
};
