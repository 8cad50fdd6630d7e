/**
 * Which archives this Nexus may drop: the decision of P1 and G4, before the transaction that checks it again.
 *
 * LV1. The artifacts of an archive that count are those that any present release lists: its own, or, after that was
 *      deleted, another one that shares artifacts with it, since the archive may have their last copy.
 * LV2. It stays while an answering sled without an identity lacks an artifact that counts, and no other such sled has it:
 *      only an archive brings it there (PL7), however many others hold it.
 */
import type { ArtifactHash, SledId, UploadId } from '../ids.ts';
import { answeringSleds, type InventorySled, type LocalRepo, type Wanted } from '../inventory.ts';
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
  | { readonly kind: 'not_safe'; readonly uploadId: UploadId; readonly holders: number }
  /** LV2. */
  | { readonly kind: 'awaited'; readonly uploadId: UploadId };

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
    if (holders.length < minSledReplication) return { kind: 'not_safe', uploadId, holders: holders.length };
    return isAwaited(counting, sleds)
      ? { kind: 'awaited', uploadId }
      : { kind: 'replicated', uploadId, holders, artifacts: counting };
  });
};

/** Whether it goes as soon as its drop succeeds. */
export const isDroppable = ({ kind }: LocalRepoVerdict): boolean =>
  kind === 'replicated' || kind === 'unlisted';

/** LV2 */
const isAwaited = (counting: ReadonlyMap<ArtifactHash, number>, sleds: readonly InventorySled[]): boolean => {
  const plain = answeringSleds(sleds).filter(({ isPlain }) => isPlain === true);
  return (
    plain.length > 0 &&
    !counting.keys().every(hash => plain.some(({ answer }) => (answer.held.get(hash) ?? 0) > 0))
  );
};

const stillWanted = (
  artifacts: ReadonlyMap<ArtifactHash, number>,
  wanted: Wanted,
): ReadonlyMap<ArtifactHash, number> =>
  new Map([...artifacts].filter(([sha256]) => wanted.artifacts.has(sha256)));
