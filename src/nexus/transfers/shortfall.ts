/** What sleds lack, by artifact and by sled, and how many sleds hold each artifact; kept one change at a time. */
import type { ArtifactHash, SledId } from '../../core/ids.ts';
import { rarestFirst } from '../../core/plan/plan.ts';

export type Shortfall = {
  /** On how many datasets a sled has an artifact, before a change and after it; a sled lacks it on fewer than `datasets`. */
  readonly changed: (
    id: SledId,
    sha256: ArtifactHash,
    copies: { readonly before: number; readonly now: number; readonly datasets: number },
  ) => void;
  /** The sled takes part no longer. */
  readonly remove: (id: SledId, held: Iterable<ArtifactHash>) => void;
  readonly isLacking: (id: SledId, sha256: ArtifactHash) => boolean;
  readonly isShort: (id: SledId) => boolean;
  readonly isAnyShort: () => boolean;
  /** What some sled lacks, in the order in which it is transferred. */
  readonly open: (sizes: ReadonlyMap<ArtifactHash, number>) => readonly (readonly [ArtifactHash, number])[];
};

export const createShortfall = (): Shortfall => {
  const lacking = new Map<ArtifactHash, Set<SledId>>();
  const holders = new Map<ArtifactHash, number>();
  const lacks = new Map<SledId, number>();
  const isLacking = (id: SledId, sha256: ArtifactHash) => lacking.get(sha256)?.has(id) === true;
  const forget = (id: SledId, sha256: ArtifactHash): void => {
    const without = lacking.get(sha256);
    if (without?.delete(id) !== true) return;
    lacks.set(id, (lacks.get(id) ?? 1) - 1);
    if (without.size === 0) lacking.delete(sha256);
  };
  return {
    changed(id, sha256, { before, now, datasets }) {
      if (before === 0 && now > 0) holders.set(sha256, (holders.get(sha256) ?? 0) + 1);
      if (now >= datasets) return forget(id, sha256);
      if (isLacking(id, sha256)) return;
      lacking.set(sha256, (lacking.get(sha256) ?? new Set()).add(id));
      lacks.set(id, (lacks.get(id) ?? 0) + 1);
    },
    remove(id, held) {
      for (const sha256 of lacking.keys()) forget(id, sha256);
      for (const sha256 of held) holders.set(sha256, (holders.get(sha256) ?? 1) - 1);
    },
    isLacking,
    isShort: id => (lacks.get(id) ?? 0) > 0,
    isAnyShort: () => lacking.size > 0,
    open: sizes =>
      rarestFirst(
        [...lacking.keys()].map(sha256 => [sha256, sizes.get(sha256) ?? 0] as const),
        holders,
      ),
  };
};
