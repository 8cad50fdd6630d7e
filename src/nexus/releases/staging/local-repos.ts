/**
 * The local repos of this Nexus, as the staging directory and the database have them:
 *
 *     upload, start ─▶ held-repos.ts ─▶ readers
 *                         ▲      └────▶ drop.ts, when enough sleds hold all of it
 *                         └─ reconcile.ts, when the database lost commits
 *
 * LR1. A drop and a reconciliation take turns: each would mistake the other's unfinished work for a fault.
 */
import type { HealthReason } from '../../../core/facts/reason.ts';
import type { UploadId } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';
import { createLimiter } from '../../../lib/limiter.ts';
import type { Logger } from '../../../lib/log.ts';
import type { LocalRepoPort } from '../../datastore/ports/local-repo-port.ts';
import type { ReleasePort } from '../../datastore/ports/release-port.ts';
import type { Note } from '../../history/history.ts';
import type { AdoptedStaging } from './adopt.ts';
import type { StagingDirectory } from './directory.ts';
import { dropLocalRepo } from './drop.ts';
import { createHeldRepos, type HeldRepos } from './held-repos.ts';
import type { RecordAgain } from './lost-archive.ts';
import { openStaged } from './opened-artifact.ts';
import { reconcileLocalRepos } from './reconcile.ts';
import type { Staging } from './staging.ts';

export type LocalRepos = Pick<Staging, 'held' | 'reconcile' | 'openArtifact' | 'drop'> & {
  readonly hold: HeldRepos['hold'];
  /** The findings of the start. */
  readonly takeUp: (found: AdoptedStaging) => void;
  /** Reasons for the operator: archives that the database had lost, and archives kept but not served. */
  readonly notices: () => readonly HealthReason[];
  /** Closes the archives; readers keep theirs open until they are done. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Deps = {
  readonly directory: StagingDirectory;
  readonly datastore: LocalRepoPort & Pick<ReleasePort, 'repoGetByVersion'>;
  readonly recordAgain: RecordAgain;
  readonly note: Note;
  readonly log: Logger;
};

const NOT_SERVED = 'ARCHIVE_NOT_SERVED' satisfies HealthReason['code'];

export const createLocalRepos = (deps: Deps): LocalRepos => {
  const repos = createHeldRepos(deps);
  const notices = new Map<UploadId, HealthReason>();
  const onNotice = (uploadId: UploadId, reason: HealthReason) => void notices.set(uploadId, reason);
  const onServed = (uploadId: UploadId): void => {
    if (notices.get(uploadId)?.code === NOT_SERVED) notices.delete(uploadId);
  };
  const turns = createLimiter(1); // LR1
  return {
    held: () => repos.all().map(({ localRepo }) => localRepo),
    hold: repos.hold,
    takeUp(found) {
      for (const archive of found.adopted) repos.hold(archive, 'adopted');
      for (const archive of found.kept) repos.keepOnly(archive);
      for (const [uploadId, reason] of found.notices) onNotice(uploadId, reason);
    },
    notices: () => [...notices.values()],

    async openArtifact(uploadId, sha256) {
      const repo = repos.get(uploadId);
      const artifact = repo?.archive.artifacts.get(sha256);
      if (repo === undefined || artifact === undefined)
        throw new DepotError(
          'NOT_FOUND',
          `the local repo ${uploadId} was dropped, or does not list ${sha256}`,
        );
      return openStaged(repo.file, artifact);
    },

    drop: (uploadId, options) =>
      turns.run(() => dropLocalRepo({ ...deps, repos }, uploadId, options), options),
    reconcile: options =>
      turns.run(async () => {
        await forgetRemoved(deps.directory, notices);
        await reconcileLocalRepos({ ...deps, repos, onNotice, onServed }, options);
      }, options),

    async [Symbol.asyncDispose]() {
      await Promise.all(repos.all().map(({ file }) => file.retire()));
    },
  };
};

/** Kept archives that an operator has removed. */
const forgetRemoved = async (
  directory: StagingDirectory,
  notices: Map<UploadId, HealthReason>,
): Promise<void> => {
  const kept = [...notices].filter(([, { code }]) => code === NOT_SERVED);
  if (kept.length === 0) return;
  const files = await directory.list();
  for (const [uploadId] of kept) if (files.get(uploadId)?.archive !== true) notices.delete(uploadId);
};
