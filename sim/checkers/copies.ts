/**
 * G4 at each moment at which a copy goes: no artifact of a present release is without one that could be recovered,
 * unless the run destroyed every holder.
 */
import type { ArtifactHash } from '../../src/core/ids.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';
import { checkDrops } from './drops.ts';
import type { Holdings } from './holdings.ts';

/** How long before a drop a sled may have listed what it lost since: a round, its looks at the bytes, a long pause. */
const HARM_EXCUSE_MS = 3 * 60_000;

export type CopyChecker = {
  /** After a sled let go of a copy by the product's own doing. */
  readonly onCopyGone: (sha256: ArtifactHash, how: string) => void;
  /** After a Nexus let go of an archive; `isSettled` when its drop was committed before the database went back. */
  readonly onArchiveGone: (how: string, isSettled: boolean) => void;
  /** After a sled was told to hold what it may have as a leftover. */
  readonly onWanted: () => void;
  readonly onCommit: (before: MemoryState, after: MemoryState) => void;
  /** After the run itself took these from a sled. */
  readonly onTaken: (sled: SimSled, hashes: Iterable<ArtifactHash>) => void;
  /** Another machine is there under the id of one that is gone with all that it had. */
  readonly onReplaced: (sled: SimSled, by: SimSled) => void;
  /** After the run itself destroyed copies of these, or brought wishes back that were let go of; of anything where absent. */
  readonly onHarm: (hashes?: Iterable<ArtifactHash>) => void;
  /** Whether the run took it from this sled a moment ago: what was known of that need not hold any more. */
  readonly wasJustTaken: (sled: SimSled, sha256: ArtifactHash) => boolean;
};

export const createCopyChecker = (world: World, holdings: Holdings, fail: Fail): CopyChecker => {
  /** Artifacts whose every copy the run destroyed, and that did not come back. */
  const destroyed = new Set<ArtifactHash>();
  const takenAtMs = new WeakMap<SimSled, Map<ArtifactHash, number>>();
  const wasJustTaken = (sled: SimSled, sha256: ArtifactHash): boolean => {
    const atMs = takenAtMs.get(sled)?.get(sha256);
    return atMs !== undefined && world.scheduler.nowMs() - atMs < HARM_EXCUSE_MS;
  };
  const onHarm = (hashes: Iterable<ArtifactHash> = holdings.wanted().keys()): void => {
    const wanted = holdings.wanted();
    for (const sha256 of hashes) if (wanted.has(sha256) && !holdings.isKept(sha256)) destroyed.add(sha256);
  };

  const requireCopies = (
    hashes: Iterable<ArtifactHash>,
    how: string,
    isExcused: (sha256: ArtifactHash) => boolean = () => false,
  ): void => {
    for (const sha256 of hashes) {
      if (holdings.isKept(sha256)) destroyed.delete(sha256);
      else if (holdings.isRecoverable(sha256)) continue;
      else if (isExcused(sha256)) destroyed.add(sha256);
      else if (!destroyed.has(sha256)) fail('G4', `the last copy of ${sha256} is gone: ${how}`);
    }
  };

  const onTaken = (sled: SimSled, hashes: Iterable<ArtifactHash>): void => {
    const taken = takenAtMs.get(sled) ?? new Map<ArtifactHash, number>();
    takenAtMs.set(sled, taken);
    for (const sha256 of hashes) taken.set(sha256, world.scheduler.nowMs());
    onHarm(hashes);
  };

  /** What came back can be lost again. */
  const takeBack = (): void => {
    for (const sha256 of destroyed) if (holdings.isKept(sha256)) destroyed.delete(sha256);
  };

  return {
    onWanted: takeBack,
    onCopyGone(sha256, how) {
      if (holdings.wanted().has(sha256)) requireCopies([sha256], how);
    },
    onArchiveGone(how, isSettled) {
      // A copy that its drop counted, and that was destroyed before the drop was over, could not be seen by anybody.
      const isExcused = (sha256: ArtifactHash) =>
        isSettled || world.sleds.some(sled => wasJustTaken(sled, sha256));
      requireCopies(holdings.wanted().keys(), how, isExcused);
    },
    onCommit(before, after) {
      if (after.localRepos !== before.localRepos) takeBack();
      checkDrops({ world, holdings, wasJustTaken, fail }, before, after);
      if (after.releases === before.releases) return;
      for (const [repoId, { repo, hashes }] of after.releases) {
        const was = before.releases.get(repoId)?.repo;
        if (repo.timePrunedMs === null && (was === undefined || was.timePrunedMs !== null))
          requireCopies(hashes, `release ${repo.systemVersion} was recorded without durable bytes`);
      }
    },
    onTaken,
    onReplaced(sled, by) {
      // It may have taken the place of another one a moment ago.
      takenAtMs.set(by, new Map(takenAtMs.get(sled)));
      onTaken(by, holdings.heldBy(sled));
    },
    onHarm,
    wasJustTaken,
  };
};
