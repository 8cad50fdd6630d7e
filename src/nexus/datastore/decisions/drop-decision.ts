/** Whether a Nexus may drop an archive that it holds (P1, P13, G4). */
import type { Point, RoundNonce } from '../../../core/ids.ts';
import { samePoint } from '../../../core/lineage.ts';
import type { DropOutcome, PlannedSet } from '../ports/local-repo-port.ts';

/**
 * `dropped` asks for the row to be removed, if it is there.
 *
 * @param isHeld whether this Nexus has a row of this upload
 * @param stored the present point of the wanted set, and the nonce in the row of this Nexus
 * @param planned the wanted set at which the sleds that hold the release were counted
 * @param repeated an earlier attempt of the same drop may have been committed
 */
export const decideDrop = (
  isHeld: boolean,
  stored: Point & { readonly nonce: RoundNonce | null },
  planned: PlannedSet,
  { repeated }: { readonly repeated: boolean },
): DropOutcome => {
  // The nonce of a round is younger than its rows: if the nonce is there, only a drop removed the row.
  const isSameRound = stored.nonce === planned.nonce;
  if (!isHeld) return { kind: repeated && isSameRound ? 'dropped' : 'absent' };
  // For a deleted release too: its artifacts that others list were counted against the wanted set of the plan.
  const { generation } = stored;
  if (stored.generation !== planned.generation)
    return { kind: 'kept', because: 'generation_changed', generation };
  // The database was restored or failed over, and has another set at the same number.
  if (!samePoint(stored, planned)) return { kind: 'kept', because: 'set_changed', generation };
  // It failed over, or was restored, since the sleds were counted.
  if (!isSameRound) return { kind: 'kept', because: 'round_lost', generation };
  return { kind: 'dropped' };
};
