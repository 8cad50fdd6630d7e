/**
 * A fleet whose database can fail over: a PostgreSQL pair, two Nexuses and three sleds that all have to hold a release.
 *
 * FF1. Nothing is looked at by its speed: rounds of replication are counted, states are waited for.
 * FF2. What is held is what is on the disks, whatever anybody says.
 */
import { expect } from 'vitest';
import { runTestCli, type TestRun } from '../../src/cli/test-run.ts';
import type { RepositoryKeys } from '../../src/release/sign-metadata.ts';
import { makeTestRelease, type TestRelease } from '../../src/release/test-release.ts';
import { auditFleet } from '../fleet-audit.ts';
import {
  activateReplication,
  artifactsOnDisk,
  hashesOf,
  replicationDetails,
  startTestFleet,
  type TestFleet,
  type TestNexus,
  type TestSled,
  until,
  wait,
  waitComplete,
} from '../process-fleet.fixture.ts';
import { environmentOf } from '../recoveries/follow.ts';
import { type PostgresPair, startPostgresPair } from './postgres-pair.fixture.ts';
import { makeTestDirectory } from './test-directory.fixture.ts';

export type FailoverFleet = {
  readonly pair: PostgresPair;
  readonly fleet: TestFleet;
  readonly nexuses: readonly [TestNexus, TestNexus];
  readonly sleds: readonly TestSled[];
  /** Where archives are. */
  readonly directory: string;
  /** The next one under the same root, with higher versions of its metadata: an older one is a rollback after it. */
  readonly makeRelease: (systemVersion: string) => Promise<TestRelease>;
  readonly makeReleases: (...systemVersions: readonly string[]) => Promise<TestRelease[]>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export const startFailoverFleet = async (options: {
  readonly synchronous: boolean;
}): Promise<FailoverFleet> => {
  await using undo = new AsyncDisposableStack();
  const { path: directory } = undo.use(await makeTestDirectory());
  const pair = undo.use(await startPostgresPair(options));
  const fleet = undo.use(
    await startTestFleet({
      nexuses: 2,
      sleds: 3,
      minSledReplication: 3,
      database: pair.database,
      replication: { period_secs: 1 },
      nexusConfig: { tuf_repo_pruner: { disable: true } },
      sledLimits: { min_free_bytes: 0 },
      sled: () => ({ config: { intervals: { registration_s: 1, reconcile_s: 1 } } }),
    }),
  );
  const makeRelease = releaseMaker(directory);
  const nexuses = fleet.nexuses as [TestNexus, TestNexus];
  const owned = undo.move();
  return {
    pair,
    fleet,
    nexuses,
    sleds: fleet.sleds,
    directory,
    makeRelease,
    async makeReleases(...systemVersions) {
      const made: TestRelease[] = [];
      for (const version of systemVersions) made.push(await makeRelease(version));
      return made;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** Each has one artifact of all and two of its own. */
const releaseMaker = (directory: string): FailoverFleet['makeRelease'] => {
  let keys: RepositoryKeys | undefined;
  let version = 0;
  return async systemVersion => {
    version += 1;
    const release = await makeTestRelease(directory, {
      systemVersion,
      artifacts: [{ seed: 'of-all', sizeBytes: 30_000 }, 20_000, 3_000],
      versions: { timestamp: version, snapshot: version, targets: version },
      ...(keys === undefined ? {} : { keys }),
    });
    keys = release.keys;
    return release;
  };
};

/** One after the other, by each Nexus in turn; each is answered 200. */
export const uploadAll = async (
  { nexuses }: Pick<FailoverFleet, 'nexuses'>,
  releases: readonly TestRelease[],
): Promise<void> => {
  for (const [n, release] of releases.entries()) await nexuses[n % 2]!.upload(release);
};

/** On every sled, and no Nexus has an archive any more: the sleds have the only copies. */
export const untilOnSledsAlone = async (
  { nexuses }: Pick<FailoverFleet, 'nexuses'>,
  releases: readonly TestRelease[],
): Promise<void> => {
  for (const nexus of nexuses) {
    for (const { systemVersion } of releases) await waitComplete(nexus, systemVersion);
    await until(async () => (await replicationDetails(nexus)).local_repos === 0, 'the archives are dropped');
  }
};

/** FF2. What is missing of these releases, a line for each dataset; nothing when all is there. */
export const missingOnDisk = async (
  sleds: readonly TestSled[],
  releases: readonly TestRelease[],
): Promise<string[]> => {
  const lines: string[] = [];
  for (const dataset of sleds.flatMap(sled => sled.datasets)) {
    const held = await artifactsOnDisk(dataset);
    const missing = releases.filter(release => hashesOf(release).some(hash => !held.includes(hash)));
    if (missing.length > 0)
      lines.push(`${dataset} lacks artifacts of ${missing.map(each => each.systemVersion).join(', ')}`);
  }
  return lines;
};

/** FF1. Looks at the disks during some rounds of each Nexus, in which sleds would obey a wrong config. */
export const expectKeptForRounds = async (
  { nexuses, sleds }: Pick<FailoverFleet, 'nexuses' | 'sleds'>,
  releases: readonly TestRelease[],
  rounds = 3,
): Promise<void> => {
  for (let round = 1; round <= rounds; round += 1) {
    for (const nexus of nexuses) await activateReplication(nexus);
    expect(await missingOnDisk(sleds, releases), `after ${round} rounds`).toEqual([]);
  }
};

export const expectOnDisk = async (
  { sleds }: Pick<FailoverFleet, 'sleds'>,
  releases: readonly TestRelease[],
): Promise<void> => {
  for (const dataset of sleds.flatMap(sled => sled.datasets))
    expect(await artifactsOnDisk(dataset), dataset).toEqual(hashesOf(...releases));
};

type Reason = Awaited<ReturnType<TestNexus['fleet']['fleetStatus']>>['reasons'][number];

export const reasonsOf = async (nexus: TestNexus, code: string): Promise<Reason[]> =>
  (await nexus.fleet.fleetStatus({}, wait)).reasons.filter(reason => reason.code === code);

/** Every sled is named as diverged, by each Nexus, with what to do about it. */
export const untilAllDiverged = ({
  nexuses,
  sleds,
}: Pick<FailoverFleet, 'nexuses' | 'sleds'>): Promise<void> =>
  until(async () => {
    for (const nexus of nexuses) {
      const reasons = await reasonsOf(nexus, 'SLED_DIVERGED');
      if (reasons.length < sleds.length) throw new Error(`${reasons.length} sleds are diverged`);
      for (const { message } of reasons) expect(message).toContain('recover generation');
    }
    return true;
  }, 'every sled is diverged');

export const untilConverged = (fleet: TestFleet): Promise<void> =>
  until(async () => {
    const wrong = await auditFleet(fleet);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    return true;
  }, 'the fleet has converged');

/** What an operator types. */
export const operatorRuns = (
  { fleet, nexuses, directory }: Pick<FailoverFleet, 'fleet' | 'nexuses' | 'directory'>,
  ...args: readonly string[]
): Promise<TestRun> =>
  runTestCli(args, { environment: environmentOf({ fleet, nexus: nexuses[0] }), directory });
