/**
 * A fleet whose database can fail over: a PostgreSQL pair, two Nexuses and three sleds that all have to hold a release.
 *
 * FF1. No check depends on speed: tests count rounds of replication and wait for states.
 * FF2. The disks show what the sleds hold, not the status.
 */
import { expect } from 'vitest';
import { runTestCli } from '../../src/cli/run.fixture.ts';
import type { TestRelease } from '../../src/signing/release.fixture.ts';
import { auditFleet } from '../fleet-audit.ts';
import type { TestNexus, TestSled } from '../fleet-members.fixture.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import {
  activateReplication,
  artifactsOnDisk,
  hashesOf,
  replicationDetails,
  waitComplete,
} from '../fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from '../process-fleet.fixture.ts';
import { environmentOf } from '../recoveries/follow.ts';
import { type PairOptions, type PostgresPair, startPostgresPair } from './postgres-pair.fixture.ts';
import type { Operator } from './recovery.fixture.ts';
import { type ReleaseMaker, releaseMaker } from './releases.fixture.ts';
import { makeTestDirectory } from './test-directory.fixture.ts';

export type FailoverFleet = ReleaseMaker & {
  readonly pair: PostgresPair;
  readonly fleet: TestFleet;
  readonly nexuses: readonly [TestNexus, TestNexus];
  readonly sleds: readonly TestSled[];
  /** The directory of archives. */
  readonly directory: string;
  /** Runs a command of the operator at the first Nexus. */
  readonly operator: Operator;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export const startFailoverFleet = async (options: PairOptions): Promise<FailoverFleet> => {
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
  const nexuses = fleet.nexuses as [TestNexus, TestNexus];
  const owned = undo.move();
  return {
    pair,
    fleet,
    nexuses,
    sleds: fleet.sleds,
    directory,
    operator: {
      run: (...args) => runTestCli(args, { environment: environmentOf({ nexus: nexuses[0] }), directory }),
    },
    ...releaseMaker(directory),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** Uploads one after the other, at each Nexus in turn; each is answered 200. */
export const uploadAll = async (
  { nexuses }: Pick<FailoverFleet, 'nexuses'>,
  releases: readonly TestRelease[],
): Promise<void> => {
  for (const [n, release] of releases.entries()) await nexuses[n % 2]!.upload(release);
};

/** Waits until every sled has them and no Nexus has an archive: the sleds have the only copies. */
export const untilOnSledsAlone = async (
  { nexuses }: Pick<FailoverFleet, 'nexuses'>,
  releases: readonly TestRelease[],
): Promise<void> => {
  for (const nexus of nexuses) {
    for (const { systemVersion } of releases) await waitComplete(nexus, systemVersion);
    await until(async () => (await replicationDetails(nexus)).local_repos === 0, 'the archives are dropped');
  }
};

type Disks = Pick<TestSled, 'datasets'>;

/** FF2. The missing artifacts of these releases, a line for each dataset; empty if none is missing. */
const missingOnDisk = async (
  sleds: readonly Disks[],
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

/** FF1. Reads the disks during some rounds of each Nexus, in which sleds would adopt a wrong config. */
export const expectKeptForRounds = async (
  {
    nexuses,
    sleds,
  }: {
    readonly nexuses: readonly Pick<TestNexus, 'debug'>[];
    readonly sleds: readonly Disks[];
  },
  releases: readonly TestRelease[],
  rounds = 3,
): Promise<void> => {
  for (let round = 1; round <= rounds; round += 1) {
    for (const nexus of nexuses) await activateReplication(nexus);
    expect(await missingOnDisk(sleds, releases), `after ${round} rounds`).toEqual([]);
  }
};

export const expectOnDisk = async (
  { sleds }: { readonly sleds: readonly Disks[] },
  releases: readonly TestRelease[],
): Promise<void> => {
  for (const dataset of sleds.flatMap(sled => sled.datasets))
    expect(await artifactsOnDisk(dataset), dataset).toEqual(hashesOf(...releases));
};

type Reason = Awaited<ReturnType<TestNexus['fleet']['fleetStatus']>>['reasons'][number];

export const reasonsOf = async (nexus: TestNexus, code: string): Promise<Reason[]> =>
  (await nexus.fleet.fleetStatus({}, wait)).reasons.filter(reason => reason.code === code);

/** Each Nexus names every sled as diverged, with the remedy. */
export const untilAllDiverged = ({
  nexuses,
  sleds,
}: Pick<FailoverFleet, 'nexuses' | 'sleds'>): Promise<void> =>
  until(async () => {
    for (const nexus of nexuses) {
      const reasons = await reasonsOf(nexus, 'SLED_DIVERGED');
      if (reasons.length < sleds.length) throw new Error(`${reasons.length} sleds are diverged`);
      for (const { remedy } of reasons) expect(remedy).toContain('tuf-depot recover generation');
    }
    return true;
  }, 'every sled is diverged');

/** @param accepted codes of reasons in the status whose permanent cause is the test */
export const untilConverged = (fleet: TestFleet, ...accepted: readonly string[]): Promise<void> =>
  until(async () => {
    const wrong = await auditFleet(fleet, accepted);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    return true;
  }, 'the fleet has converged');

/** Restarts one after the other, which ends the reasons of archives that were recorded again. */
export const restartNexuses = async ({ nexuses }: Pick<FailoverFleet, 'nexuses'>): Promise<void> => {
  for (const nexus of nexuses) {
    await nexus.stop();
    await nexus.start();
  }
};
