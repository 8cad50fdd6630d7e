/**
 * G4, whenever a copy disappears: each artifact of a present release has a recoverable copy left, unless faults of the run
 * destroyed them all.
 */
import type { ArtifactHash } from '../../src/core/ids.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';
import { checkDrops } from './drops.ts';
import type { Holdings } from './holdings.ts';

/** A sled may have listed a copy this long before a drop, and lost it since: a round, the reads of its bytes, a long pause. */
const HARM_EXCUSE_MS = 3 * 60_000;

export type CopyChecker = {
  /** After the product removed a copy from a sled. */
  readonly onCopyGone: (sha256: ArtifactHash, how: string) => void;
  /** After a Nexus removed an archive; `isSettled` if its drop was committed before the database was restored. */
  readonly onArchiveGone: (how: string, isSettled: boolean) => void;
  /** After a sled adopted a config, which may list artifacts that it still has as leftovers. */
  readonly onWanted: () => void;
  readonly onCommit: (before: MemoryState, after: MemoryState) => void;
  /** After a fault or an operator took these copies from a sled. */
  readonly onTaken: (sled: SimSled, hashes: Iterable<ArtifactHash>) => void;
  /** Another machine has taken the id of one that was destroyed with all its disks. */
  readonly onReplaced: (sled: SimSled, by: SimSled) => void;
  /**
   * After a fault destroyed copies of these artifacts, or a restore made deleted releases wanted again; of any artifact where
   * absent.
   */
  readonly onHarm: (hashes?: Iterable<ArtifactHash>) => void;
  /** Whether the run took it from this sled a moment ago: an earlier answer may no longer be true. */
  readonly wasJustTaken: (sled: SimSled, sha256: ArtifactHash) => boolean;
};

export const createCopyChecker = (world: World, holdings: Holdings, fail: Fail): CopyChecker => {
  /** Artifacts whose every copy a fault destroyed, and that have no copy since. */
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

  /** An artifact that has copies again can be lost again. */
  const takeBack = (): void => {
    for (const sha256 of destroyed) if (holdings.isKept(sha256)) destroyed.delete(sha256);
  };

  return {
    onWanted: takeBack,
    onCopyGone(sha256, how) {
      if (holdings.wanted().has(sha256)) requireCopies([sha256], how);
    },
    onArchiveGone(how, isSettled) {
      // No process can notice that a copy which the drop counted is destroyed before the drop ends.
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
      // A new machine may have taken the sled's id a moment ago.
      takenAtMs.set(by, new Map(takenAtMs.get(sled)));
      onTaken(by, holdings.heldBy(sled));
    },
    onHarm,
    wasJustTaken,
  };
};
