/**
 * T3, at each file that gets its name on a sled, and at each artifact that a Repo Depot serves: a signed release lists it.
 *
 * A sled agent of an older version does not verify metadata: a Nexus that lies can make it store what it likes.
 */
import type { ArtifactHash } from '../../src/core/ids.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';

export type PlantedChecker = {
  readonly onStored: (sled: SimSled, sha256: ArtifactHash) => void;
  readonly onServed: (sled: SimSled, sha256: ArtifactHash) => void;
};

export type TrustRules = { readonly requiresSigned: boolean };

export const createPlantedChecker = (
  { shelf }: Pick<World, 'shelf'>,
  { requiresSigned }: TrustRules,
  fail: Fail,
): PlantedChecker => {
  const judge = (sled: SimSled, sha256: ArtifactHash, did: string): void => {
    if (shelf.isSigned(sha256)) return;
    if (requiresSigned && sled.agent === 'current')
      fail('T3', `${sled.plan.serial} ${did} ${sha256}, which no signed release lists`);
  };
  return {
    onStored: (sled, sha256) => judge(sled, sha256, 'stores'),
    onServed: (sled, sha256) => judge(sled, sha256, 'serves'),
  };
};
