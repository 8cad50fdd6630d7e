/**
 * Which archives this Nexus may drop: the decision of P1 and G4, before the transaction that checks it again.
 *
 * LV1. The artifacts of an archive that count are those that any present release lists: its own, or, after that was
 *      deleted, another one that shares artifacts with it, since the archive may have their last copy.
 */
import type { ArtifactHash, SledId, UploadId } from '../ids.ts';
import type { InventorySled, LocalRepo, Wanted } from '../inventory.ts';
import { sledsHoldingAll } from '../progress.ts';

export type LocalRepoVerdict =
  /** `holders` list every artifact of it that counts: check their bytes (P9), then drop. */
  | {
      readonly kind: 'replicated';
      readonly uploadId: UploadId;
      readonly holders: readonly SledId[];
      readonly artifacts: ReadonlyMap<ArtifactHash, number>;
    }
  /** None of its artifacts is in this config: pruned, which the drop's transaction checks; never counts as replicated. */
  | { readonly kind: 'unlisted'; readonly uploadId: UploadId }
  | { readonly kind: 'not_safe'; readonly uploadId: UploadId; readonly holders: number };

export const localRepoVerdicts = (
  wanted: Wanted,
  sleds: readonly InventorySled[],
  local: readonly LocalRepo[],
  minSledReplication: number,
): LocalRepoVerdict[] => {
  const listed = new Set(wanted.releases.map(release => release.repoId));
  return local.map(({ uploadId, repoId, artifacts }) => {
    const counting = listed.has(repoId) ? artifacts : stillWanted(artifacts, wanted);
    if (counting.size === 0 && !listed.has(repoId)) return { kind: 'unlisted', uploadId };
    const holders = sledsHoldingAll(counting, sleds);
    return holders.length >= minSledReplication
      ? { kind: 'replicated', uploadId, holders, artifacts: counting }
      : { kind: 'not_safe', uploadId, holders: holders.length };
  });
};

const stillWanted = (
  artifacts: ReadonlyMap<ArtifactHash, number>,
  wanted: Wanted,
): ReadonlyMap<ArtifactHash, number> =>
  new Map([...artifacts].filter(([sha256]) => wanted.artifacts.has(sha256)));
