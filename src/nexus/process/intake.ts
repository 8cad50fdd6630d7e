/**
 * The intake of archives into a Nexus, and its local repos:
 *
 *     staging directory ─▶ adopted (P4) ──┐
 *                                         ├─▶ local repos ─▶ replication
 *     uploads, sources ──▶ checked ───────┘
 *
 * IN1. Archives in staging are adopted before any upload can begin.
 */
import { entryLimits } from '../../archive/limits.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { FollowArchive } from '../../verify/follow-archive.ts';
import type { DatabaseWatch } from '../datastore/database-watch.ts';
import type { LocalRepoPort } from '../datastore/ports/local-repo-port.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { TrustRootPort } from '../datastore/ports/trust-root-port.ts';
import type { WantedSetPort } from '../datastore/ports/wanted-set-port.ts';
import type { Note } from '../history/history.ts';
import { adoptStaging } from '../releases/staging/adopt.ts';
import type { StagingDirectory } from '../releases/staging/directory.ts';
import { createLocalRepos, type LocalRepos } from '../releases/staging/local-repos.ts';
import { createStagingSpace, type StagingSpace } from '../releases/staging/space.ts';
import type { Staging } from '../releases/staging/staging.ts';
import {
  type ArchiveToCheck,
  type CheckedArchive,
  checkArchive,
  type VerifyRelease,
} from '../releases/upload/check-archive.ts';
import { createFleetCapacity, type FleetCapacity } from '../releases/upload/fleet-capacity.ts';
import type { LostSets } from '../releases/upload/lost-sets.ts';
import { takeRoots, type VerifyRoots } from '../releases/upload/root-upload.ts';
import { createUploads, type Uploads, type UploadWaits } from '../releases/upload/uploads.ts';
import type { NexusConfig } from './config.ts';

export type Intake = {
  readonly localRepos: LocalRepos;
  readonly uploads: Uploads;
  /** The view of both for other parts. */
  readonly staging: Staging;
  readonly space: StagingSpace;
  readonly capacity: FleetCapacity;
  readonly check: (archive: ArchiveToCheck, options: { signal: AbortSignal }) => Promise<CheckedArchive>;
  /** Reasons for the operator: archives found at the start, or lost by the database since, and waiting uploads. */
  readonly notices: () => readonly HealthReason[];
};

export type IntakeDeps = {
  readonly config: NexusConfig;
  readonly directory: StagingDirectory;
  readonly datastore: ReleasePort &
    TrustRootPort &
    LocalRepoPort &
    Pick<SledPort, 'sledList'> &
    Pick<WantedSetPort, 'wantedSet'>;
  readonly verifyRelease: VerifyRelease;
  readonly followArchive: FollowArchive;
  readonly verifyRoots: VerifyRoots;
  readonly freeBytes: (path: string) => Promise<number>;
  readonly watch: DatabaseWatch;
  readonly uploadWaits?: UploadWaits | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly newId: () => string;
  readonly note: Note;
  readonly activateReplication: () => void;
  /** The sets that the database has lost, as replication finds them on sleds. */
  readonly lost: LostSets;
  readonly log: Logger;
};

/** @param patiently repeats calls that the database does not answer */
export const startIntake = async (
  deps: IntakeDeps,
  patiently: <T>(attempt: () => Promise<T>) => Promise<T>,
  { signal }: { signal: AbortSignal },
): Promise<Intake> => {
  const { config, directory, datastore, note } = deps;
  const log = deps.log.child({ component: 'uploads' });
  const localRepos = createLocalRepos({
    directory,
    datastore,
    recordAgain: (archive, options) => uploads.recordAgain(archive, options),
    note,
    log,
  });
  const space = createStagingSpace(directory.path, deps.freeBytes);
  const capacity = createFleetCapacity({
    datastore,
    minSledReplication: config.replication.minSledReplication,
  });
  const checked = checks(deps, log);
  const uploads = createUploads({
    ...deps,
    ...checked,
    space,
    localRepos,
    capacity,
    limits: config.limits,
    waits: deps.uploadWaits,
    log,
  });
  const { recordAgain } = uploads;
  const found = await patiently(() => adoptStaging({ directory, datastore, recordAgain, log }, { signal }));
  localRepos.takeUp(found);
  return {
    localRepos,
    uploads,
    staging: { ...localRepos, nexusId: directory.nexusId, uploadsInProgress: uploads.inProgress },
    space,
    capacity,
    check: checked.check,
    notices: () => [...localRepos.notices(), ...uploads.reasons()],
  };
};

/** The checks of an archive: of a release, or of the roots of a signer. */
const checks = (
  { config, datastore, verifyRelease, followArchive, verifyRoots, clock, lost }: IntakeDeps,
  log: Logger,
) => {
  const { signatures } = config;
  const { artifactBytes, repositoryBytes, inflateRatio } = config.limits;
  const limits = { ...entryLimits({ artifactBytes, repositoryBytes }), maxInflateRatio: inflateRatio };
  return {
    follow: path =>
      followArchive(path, {
        limits,
        onFailure: err => log.warn({ err }, 'an upload was not hashed while it was received'),
      }),
    check: (archive, options) =>
      checkArchive({ datastore, verifyRelease, clock, limits, signatures, lost }, archive, options),
    takeRoots: (archive, options) =>
      takeRoots({ datastore, verifyRoots, signatures, clock, log }, archive, options),
  } satisfies Partial<Parameters<typeof createUploads>[0]>;
};
