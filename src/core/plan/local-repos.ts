/**
 * Which archives this Nexus may let go of: the judgement of P1 and G4, before the transaction that repeats it.
 *
 * LV1. What counts of an archive is what present releases list of it, be it one of their own or, after its own was
 *      deleted, of another release that shares artifacts with it: it may have the last copy of these.
 */
import type { ArtifactHash, SledId, UploadId } from '../ids.ts';
import type { InventorySled, LocalArchive, Wanted } from '../inventory.ts';
import { sledsHoldingAll } from '../progress.ts';

export type LocalRepoVerdict =
  /** `holders` list every artifact of it that counts: look once more at their bytes (P9), then drop. */
  | {
      readonly kind: 'replicated';
      readonly uploadId: UploadId;
      readonly holders: readonly SledId[];
      readonly artifacts: ReadonlyMap<ArtifactHash, number>;
    }
  /** Nothing of it is in this config: pruned, which the drop's transaction checks; never counted as replicated. */
  | { readonly kind: 'unlisted'; readonly uploadId: UploadId }
  | { readonly kind: 'not_safe'; readonly uploadId: UploadId; readonly holders: number };

export const localRepoVerdicts = (
  wanted: Wanted,
  sleds: readonly InventorySled[],
  local: readonly LocalArchive[],
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
