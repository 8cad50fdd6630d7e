/** Whether a Nexus may let go of an archive that it holds (P1, G4). */
import type { Generation, SystemVersion } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';

export type DropOutcome = Awaited<ReturnType<Datastore['localRepoDrop']>>;

/** The release of the local repo, as this transaction sees it. */
export type HeldRelease = { readonly systemVersion: SystemVersion };

/**
 * `dropped` asks for the row to be removed, if it is there.
 *
 * @param held undefined when this Nexus has no row of this upload
 * @param planned the generation at which the sleds that hold the release were counted
 * @param repeated an earlier attempt of the same drop may have been committed
 */
export const decideDrop = (
  held: HeldRelease | undefined,
  generation: Generation,
  planned: Generation,
  { repeated }: { readonly repeated: boolean },
): DropOutcome => {
  if (held === undefined) return { kind: repeated ? 'dropped' : 'absent' };
  // Of a deleted release too: what others list of it was counted against the wanted set of the plan.
  if (generation !== planned) {
    const reason = `release ${held.systemVersion} was counted at generation ${planned}, and the generation is ${generation} now`;
    return { kind: 'kept', reason };
  }
  return { kind: 'dropped' };
};
