/** Which archives this Nexus may let go of: the judgement of P1 and G4, before the transaction that repeats it. */
import type { ArtifactHash, SledId, UploadId } from '../ids.ts';
import type { InventorySled, LocalArchive, Wanted } from '../inventory.ts';
import { sledsHoldingAll } from '../progress.ts';

export type LocalRepoVerdict =
  /** `holders` list every artifact of it: look once more at their bytes (P9), then drop. */
  | {
      readonly kind: 'replicated';
      readonly uploadId: UploadId;
      readonly holders: readonly SledId[];
      readonly artifacts: ReadonlyMap<ArtifactHash, number>;
    }
  /** Its release is not in this config: pruned, which the drop's transaction checks; never counted as replicated. */
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
    if (!listed.has(repoId)) return { kind: 'unlisted', uploadId };
    const holders = sledsHoldingAll(artifacts, sleds);
    return holders.length >= minSledReplication
      ? { kind: 'replicated', uploadId, holders, artifacts }
      : { kind: 'not_safe', uploadId, holders: holders.length };
  });
};
