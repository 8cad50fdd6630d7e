/** A fleet that has a release and is well, before something happens to it. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import {
  makeTestRelease,
  type TestRelease,
  type TestReleaseOptions,
} from '../../src/signing/release.fixture.ts';
import type { TestNexus, TestSled } from '../fleet-members.fixture.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, replicationDetails, waitComplete } from '../fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from '../process-fleet.fixture.ts';
import type { Following } from './follow.ts';

export type Situation = Pick<Following, 'fleet' | 'nexus' | 'directory'> & {
  readonly fleet: TestFleet;
  /** 1.2.0, which every sled has; no archive is left. */
  readonly release: TestRelease;
  /** Another one under the same root, beside it in the directory; it shares an artifact. */
  readonly makeRelease: (systemVersion: string) => Promise<TestRelease>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

const SHARED = { seed: 'shared', sizeBytes: 200_000 };

export const startSituation = async (
  options: Omit<Parameters<typeof startTestFleet>[0], 'minSledReplication'>,
): Promise<Situation> => {
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-recovery-'));
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  const make = (systemVersion: string, more: TestReleaseOptions = {}) =>
    makeTestRelease(directory, { systemVersion, artifacts: [SHARED, 50_000, 10_000], ...more });
  const release = await make('1.2.0');
  const fleet = undo.use(
    await startTestFleet({
      minSledReplication: 2,
      // The pages are followed with curl, and the tests put files by hand.
      transport: 'plain',
      // So that the status is of a second ago, and no wait of an operator is a test's.
      replication: { period_secs: 1 },
      sled: () => ({ config: { intervals: { registration_s: 1, reconcile_s: 1 } } }),
      ...options,
    }),
  );
  const [nexus] = fleet.nexuses as [TestNexus];
  await nexus.trust(release);
  await uploadAndLetGo(nexus, release);
  const owned = undo.move();
  return {
    fleet,
    nexus,
    directory,
    release,
    makeRelease: version => make(version, { keys: release.keys }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

export const uploadAndLetGo = async (nexus: TestNexus, release: TestRelease): Promise<void> => {
  await nexus.upload(release);
  await waitComplete(nexus, release.systemVersion);
  await untilDropped(nexus);
};

export const untilDropped = (nexus: TestNexus): Promise<void> =>
  until(async () => (await replicationDetails(nexus)).local_repos === 0, 'the archives are dropped');

/** Every sled keeps the newest head of the audit log. */
export const untilHeadTold = async (
  nexus: TestNexus,
  database: Pick<TestFleet['database'], 'query'>,
): Promise<void> => {
  const [head] = await database.query<{ seq: string }>('SELECT seq FROM audit_head');
  await until(async () => {
    const { last } = await nexus.debug.bgtaskView({ params: { bgtask_name: 'audit_heads' } }, wait);
    if (last.last_result !== 'completed') return false;
    expect(last.details.details).toMatchObject({ newest_entry: Number(head!.seq), waiting: [] });
    return true;
  }, 'the sleds are told the newest head of the audit log');
};

/** Every dataset has exactly the artifacts of these releases, by its files and not by the status. */
export const expectOnDisk = async (sleds: readonly TestSled[], ...releases: TestRelease[]): Promise<void> => {
  for (const dataset of sleds.flatMap(sled => sled.datasets))
    expect(await artifactsOnDisk(dataset), dataset).toEqual(hashesOf(...releases));
};

export const untilOnDisk = (sleds: readonly TestSled[], ...releases: TestRelease[]): Promise<void> =>
  until(
    async () => {
      await expectOnDisk(sleds, ...releases);
      return true;
    },
    `the sleds hold ${releases.map(({ systemVersion }) => systemVersion).join(' and ')}`,
  );

/** What a new disk has. */
export const emptyDirectory = async (directory: string): Promise<void> => {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
};
