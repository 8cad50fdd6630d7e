/**
 * T3, at each file that gets its name on a sled, and at each artifact that a Repo Depot serves: a release lists it for which the pinned
 * trust root vouches, or a statement of a person on the root of its signer, or on this very release (T4).
 *
 * It asks what was signed, not what the sled was told. A sled agent of an older version does not verify metadata: a Nexus that lies can
 * make it store what it likes.
 */
import type { ArtifactHash } from '../../src/core/ids.ts';
import { subjectOf } from '../../src/core/statement.ts';
import type { NeededStatement } from '../fleet/releases.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';

export type PlantedChecker = {
  readonly onStored: (sled: SimSled, sha256: ArtifactHash) => void;
  readonly onServed: (sled: SimSled, sha256: ArtifactHash) => void;
};

export type TrustRules = { readonly requiresSigned: boolean };

export const createPlantedChecker = (
  { shelf, admin, trace }: Pick<World, 'shelf' | 'admin' | 'trace'>,
  { requiresSigned }: TrustRules,
  fail: Fail,
): PlantedChecker => {
  const isSaid = (needed: NeededStatement): boolean =>
    admin.said().some(each => each.kind === needed.kind && subjectOf(each) === subjectOf(needed));
  const judge = (sled: SimSled, sha256: ArtifactHash, did: string): void => {
    const needs = shelf.listing(sha256).map(release => release.needs);
    if (needs.includes(undefined) || !requiresSigned || sled.agent !== 'current') return;
    const [said] = needs.filter(needed => needed !== undefined).filter(isSaid);
    if (said !== undefined) trace.reached(REACHED[said.kind]);
    else if (needs.length > 0)
      fail('T3', `${sled.plan.serial} ${did} ${sha256}, and no person signed for a release that lists it`);
    else fail('T3', `${sled.plan.serial} ${did} ${sha256}, which no signed release lists`);
  };
  return {
    onStored: (sled, sha256) => judge(sled, sha256, 'stores'),
    onServed: (sled, sha256) => judge(sled, sha256, 'serves'),
  };
};

const REACHED = {
  trust_root: 'a sled stored a release of a signer for whom a person had signed',
  exempt_release: 'a sled stored a release that a person had exempted',
} as const;
