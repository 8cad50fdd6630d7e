/**
 * P4: an acknowledged upload survives a restore of the database. An archive whose row the restore lost is not removed until
 * its release is recorded again, by its own Nexus or by another upload.
 */
import type { MemoryState } from '../datastore/state.ts';
import { STAGING } from '../fleet/nexus-machine.ts';
import type { World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';
import { isPromised, nexusIdOn } from './holdings.ts';

export type ArchiveChecker = {
  readonly onDatabaseRestored: (before: MemoryState, after: MemoryState) => void;
  readonly onCommit: (after: MemoryState) => void;
  readonly onRemoved: (uploadId: string, nexus: string) => void;
};

export const createArchiveChecker = (world: World, fail: Fail): ArchiveChecker => {
  /** By upload: the version of the release that the database has lost. */
  const forgotten = new Map<string, string>();

  const isPromisedBy = (uploadId: string, nexusId: string): boolean =>
    world.nexuses
      .map(({ machine }) => machine.volumes.get(STAGING)!)
      .some(volume => nexusIdOn(volume) === nexusId && isPromised(volume, uploadId));

  return {
    onDatabaseRestored(before, after) {
      for (const [uploadId, { repoId, nexusId }] of before.localRepos) {
        const release = before.releases.get(repoId)?.repo;
        if (release === undefined || release.timePrunedMs !== null) continue;
        if (!after.localRepos.has(uploadId) && !after.releases.has(repoId) && isPromisedBy(uploadId, nexusId))
          forgotten.set(uploadId, release.systemVersion);
      }
    },
    onCommit({ releases }) {
      if (forgotten.size === 0) return;
      for (const [uploadId, version] of forgotten)
        if ([...releases.values()].some(({ repo }) => repo.systemVersion === version))
          forgotten.delete(uploadId);
    },
    onRemoved(uploadId, nexus) {
      const version = forgotten.get(uploadId);
      if (version !== undefined)
        fail(
          'G4',
          `${nexus} removed the archive of ${version}, an acknowledged release that the database has lost`,
        );
    },
  };
};
