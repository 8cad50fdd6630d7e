/**
 * How archives come into a Nexus, and what it holds of them:
 *
 *     staging directory ─▶ taken up (P4) ─┐
 *                                         ├─▶ local repos ─▶ replication
 *     uploads, sources ──▶ checked ───────┘
 *
 * IN1. What lies in staging is taken up before any upload can begin.
 */
import type { HealthReason } from '../../core/facts/reason.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
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
import { checkArchive, type VerifyRelease } from '../releases/upload/check-archive.ts';
import { createFleetCapacity, type FleetCapacity } from '../releases/upload/fleet-capacity.ts';
import type { LostSets } from '../releases/upload/lost-sets.ts';
import { takeRoots, type VerifyRoots } from '../releases/upload/root-upload.ts';
import { createUploads, type Uploads, type UploadWaits } from '../releases/upload/uploads.ts';
import type { NexusConfig } from './config.ts';

export type Intake = {
  readonly localRepos: LocalRepos;
  readonly uploads: Uploads;
  /** What others see of both. */
  readonly staging: Staging;
  readonly space: StagingSpace;
  readonly capacity: FleetCapacity;
  /** What an operator should know: archives that were found, or that the database lost since, and uploads that wait. */
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
  readonly verifyRoots: VerifyRoots;
  readonly freeBytes: (path: string) => Promise<number>;
  readonly watch: DatabaseWatch;
  readonly uploadWaits?: UploadWaits | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly newId: () => string;
  readonly note: Note;
  readonly activateReplication: () => void;
  /** What replication finds on sleds that the database has lost. */
  readonly lost: LostSets;
  readonly log: Logger;
};

/** @param patiently repeats what the database does not answer */
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
  const uploads = createUploads({
    ...deps,
    ...checks(deps, log),
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
    notices: () => [...localRepos.notices(), ...uploads.reasons()],
  };
};

/** What an archive has to pass: a release, or the roots of a signer. */
const checks = ({ config, datastore, verifyRelease, verifyRoots, clock, lost }: IntakeDeps, log: Logger) => {
  const { artifactBytes, repositoryBytes } = config.limits;
  // As for the defaults, what inflates to more than twice the largest archive is no release.
  const limits = { maxEntryBytes: artifactBytes, maxTotalBytes: 2 * repositoryBytes };
  return {
    check: (archive, options) =>
      checkArchive({ datastore, verifyRelease, clock, limits, lost }, archive, options),
    takeRoots: (path, options) => takeRoots({ datastore, verifyRoots, clock, log }, path, options),
  } satisfies Partial<Parameters<typeof createUploads>[0]>;
};
