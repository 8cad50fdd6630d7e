/**
 * T4, at each write of a ledger: a sled that was told that the database does not know its point adopts a config that lists less only
 * where a person has accepted that point (C5).
 *
 * It asks what was signed, not what the sled was told.
 */
import { pointText } from '../../src/core/ids.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';
import { keptOn, ledgerOn, pointOfLedger, type SeenLedger } from './ledgers.ts';
import type { Change } from './lineage.ts';

export type AcceptanceChecker = { readonly onLedger: (sled: SimSled, change: Change) => void };

export const createAcceptanceChecker = (
  { admin, trace }: Pick<World, 'admin' | 'trace'>,
  fail: Fail,
): AcceptanceChecker => ({
  onLedger(sled, { last, next, read }) {
    if (admin.pinned.length === 0 || sled.agent !== 'current') return;
    if (last === undefined || last.incarnation !== next.incarnation || listsAll(next, last)) return;
    const point = pointOfLedger(last);
    const ledgers = read.map(ledgerOn).filter(each => each !== undefined);
    const own = ledgers.filter(each => pointOfLedger(each) === point);
    // A disk that was away may still have a hold that has ended.
    if (own.length === 0 || !own.every(({ isHeld, isUnknown }) => isHeld && isUnknown)) return;
    // Another head takes its place, and it is kept (KN4).
    const isOtherHead = ledgers.some(each => pointOfLedger(each) === pointOfLedger(next));
    if (isOtherHead || read.some(volume => keptOn(volume).some(kept => kept.point === point))) return;
    const isAccepted = admin
      .said()
      .some(each => each.kind === 'accept_points' && each.points.some(said => pointText(said) === point));
    if (isAccepted) trace.reached('a sled adopted less, since a person had accepted its point');
    else
      fail(
        'T4',
        `${sled.plan.serial} left ${point}, which it was told to be unknown, for ${pointOfLedger(next)} with less, and no person accepted it`,
      );
  },
});

const listsAll = ({ artifacts }: SeenLedger, other: SeenLedger): boolean =>
  [...other.artifacts].every(hash => artifacts.has(hash));
