/**
 * Fleets of processes of this project and stand-ins for those of the original, both ways round: they converge to the original's
 * end-to-end counts, and each sled holds what it should.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runTestCli } from '../../src/cli/run.fixture.ts';
import { makeTestRelease, type TestRelease } from '../../src/signing/release.fixture.ts';
import { makeSled, type TestNexus, type TestSled } from '../fleet-members.fixture.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import {
  activateReplication,
  artifactsOnDisk,
  hashesOf,
  replicationDetails,
  waitComplete,
} from '../fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from '../process-fleet.fixture.ts';
import { startOriginalNexus } from './original-nexus.fixture.ts';
import { joinOriginal, type OriginalSled, shaOf, startOriginalSled } from './original-sled.fixture.ts';

let directory: string;
let one: TestRelease;
let two: TestRelease;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-compat-'));
  const shared = { seed: 'shared', sizeBytes: 300_000 };
  one = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [shared, 2_000_000, 0, 1] });
  two = await makeTestRelease(directory, {
    systemVersion: '2.0.0',
    artifacts: [shared, 150_000],
    versions: { timestamp: 2, snapshot: 2, targets: 2 },
    keys: one.keys,
  });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** A busy sled would be passed over by a put, and copy later instead: right, but then the sums are others. */
const UNLIMITED = {
  replication: { transfers_to_sled: 64, copies_from_source: 64 },
  sledLimits: { puts: 64, copies: 64 },
};

const startOriginals = async (stack: AsyncDisposableStack, count: number): Promise<OriginalSled[]> => {
  const sleds: OriginalSled[] = [];
  for (let n = 1; n <= count; n += 1) sleds.push(stack.use(await startOriginalSled(`original-${n}`)));
  return sleds;
};

const onEveryDisk = (sleds: readonly TestSled[], hashes: readonly string[]): Promise<void> =>
  until(async () => {
    for (const dataset of sleds.flatMap(({ datasets }) => datasets))
      expect(await artifactsOnDisk(dataset)).toEqual(hashes);
    return true;
  }, 'every disk has everything');

const untilDropped = (nexus: TestNexus): Promise<void> =>
  until(async () => (await replicationDetails(nexus)).local_repos === 0, 'the local repos are dropped');

const noVersionRefused = (sleds: readonly OriginalSled[]): void =>
  expect(sleds.flatMap(sled => sled.refusedVersions())).toEqual([]);

/** The task's counters since `before`, of the requests alone. */
const grown = async (nexus: TestNexus, before: Readonly<Record<string, number>>) => {
  const { lifetime_counters: after } = await replicationDetails(nexus);
  const names = ['put_ok', 'put_err', 'copy_ok', 'copy_err'];
  return Object.fromEntries(names.map(name => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
};

describe('Nexus of this project', () => {
  test('four sleds of the original: 3 puts and 1 copy of each artifact, then only config and list, and no local repo (S2, S5, S20)', async () => {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(
      await startTestFleet({ sleds: 0, transport: 'plain', minSledReplication: 3, ...UNLIMITED }),
    );
    const [nexus] = fleet.nexuses as [TestNexus];
    const sleds = await startOriginals(stack, 4);
    for (const sled of sleds) await joinOriginal(nexus, sled);
    await nexus.trust(one);
    const before = (await replicationDetails(nexus)).lifetime_counters;
    await nexus.upload(one);
    await waitComplete(nexus, '1.0.0');
    await untilDropped(nexus);
    for (const sled of sleds) expect(sled.held()).toEqual(hashesOf(one));
    const artifacts = hashesOf(one).length;
    expect(await grown(nexus, before)).toEqual({
      ...{ put_ok: 3 * artifacts, put_err: 0 },
      ...{ copy_ok: artifacts, copy_err: 0 },
    });
    await activateReplication(nexus);
    const idle = await replicationDetails(nexus);
    expect(idle.last_run_counters).toMatchObject({ put_config_ok: 4, list_ok: 4, put_ok: 0, copy_ok: 0 });

    await nexus.upload(two);
    await waitComplete(nexus, '2.0.0');
    await nexus.update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
    for (const sled of sleds) await expect.poll(sled.held).toEqual(hashesOf(two));
    noVersionRefused(sleds);
  });

  test('sleds of both kinds side by side: what only those of the original hold is copied to those of this project (S5, G1)', async () => {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(
      await startTestFleet({ sleds: 1, transport: 'plain', minSledReplication: 3, ...UNLIMITED }),
    );
    const [nexus] = fleet.nexuses as [TestNexus];
    const originals = await startOriginals(stack, 3);
    const [ours] = fleet.sleds as [TestSled];
    await ours.stop();
    for (const sled of originals) await joinOriginal(nexus, sled);
    await nexus.trust(one);
    await nexus.upload(one);
    for (const sled of originals) await expect.poll(sled.held).toEqual(hashesOf(one));
    await untilDropped(nexus);
    await ours.start();
    await onEveryDisk([ours], hashesOf(one));
    // And back, to one whose disk was replaced.
    const [replaced] = originals as [OriginalSled];
    for (const sha256 of hashesOf(one)) replaced.lose(sha256);
    await activateReplication(nexus);
    await expect.poll(replaced.held).toEqual(hashesOf(one));
    await waitComplete(nexus, '1.0.0');
    noVersionRefused(originals);
  });

  test('sleds of the original beside sleds that have joined: both hold every release, and the archives are dropped (T1, G1)', async () => {
    await using stack = new AsyncDisposableStack();
    const fleet: TestFleet = stack.use(
      await startTestFleet({
        sleds: 2,
        minSledReplication: 3,
        nexusConfig: { plain_listen: '127.0.0.1:0' },
        ...UNLIMITED,
      }),
    );
    const [nexus] = fleet.nexuses as [TestNexus];
    const originals = await startOriginals(stack, 2);
    for (const sled of originals) await joinOriginal(nexus, sled);
    await nexus.trust(one);
    for (const release of [one, two]) {
      await nexus.upload(release);
      await waitComplete(nexus, release.systemVersion);
    }
    await untilDropped(nexus);
    for (const sled of originals) expect(sled.held()).toEqual(hashesOf(one, two));
    await onEveryDisk(fleet.sleds, hashesOf(one, two));
    noVersionRefused(originals);
  });
});

describe('Nexus of the original', () => {
  test('four sleds of this project: 3 puts and 1 copy of each artifact, then 8 requests, also after a restart (S5, S20, P5)', async () => {
    await using stack = new AsyncDisposableStack();
    const nexus = stack.use(await startOriginalNexus({ minSledReplication: 3 }));
    const sleds = await startSleds(stack, nexus.address, 4);
    await until(async () => nexus.sledIds().length === 4, 'all have registered');
    const [shared, gone, added] = [0, 1, 2].map(n => Buffer.alloc(700_000 + n, n)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    nexus.upload([shared, gone, Buffer.alloc(0)]);
    expect(await nexus.activate()).toEqual({ ...idleCounters(4), put_ok: 9, copy_ok: 3 });
    await onEveryDisk(sleds, nexus.wanted());
    expect(await nexus.activate()).toEqual(idleCounters(4));
    expect(nexus.localRepos()).toBe(0);

    const [restarted] = sleds as [TestSled];
    await restarted.kill();
    await restarted.start();
    nexus.upload([shared, added]);
    nexus.prune();
    const generations = () => nexus.sledIds().map(id => nexus.infoOf(id)?.sa_address);
    await until(async () => generations().includes(restarted.agentAddress()), 'it has registered again');
    expect(await nexus.activate()).toEqual({ ...idleCounters(4), put_ok: 3, copy_ok: 1 });
    await onEveryDisk(sleds, [shared, added].map(shaOf).sort());
    expect(await nexus.activate()).toEqual(idleCounters(4));
    expect(nexus.refusedVersions).toEqual([]);
  });

  test('sleds of both kinds side by side copy from each other (S5, S19)', async () => {
    await using stack = new AsyncDisposableStack();
    const nexus = stack.use(await startOriginalNexus({ minSledReplication: 1 }));
    const originals = await startOriginals(stack, 2);
    for (const sled of originals) await sled.register(nexus.baseUrl);
    const sleds = await startSleds(stack, nexus.address, 2);
    await until(async () => nexus.sledIds().length === 4, 'all have registered');
    const [first, second] = [Buffer.alloc(5_000_000, 1), Buffer.alloc(65_537, 2)];
    nexus.upload([first, second]);
    expect(await nexus.activate()).toEqual({ ...idleCounters(4), put_ok: 2, copy_ok: 6 });
    await onEveryDisk(sleds, nexus.wanted());
    for (const sled of originals) for (const sha256 of sled.held()) sled.lose(sha256);
    expect(await nexus.activate()).toEqual({ ...idleCounters(4), copy_ok: 4 });
    for (const sled of originals) await expect.poll(sled.held).toEqual(nexus.wanted());
    expect(await nexus.activate()).toEqual(idleCounters(4));
    noVersionRefused(originals);
  });
});

test('a sled of this project that lost a disk under a Nexus of the original waits and says so, and is reset (P5)', async () => {
  await using stack = new AsyncDisposableStack();
  const nexus = stack.use(await startOriginalNexus({ minSledReplication: 1 }));
  const [sled] = (await startSleds(stack, nexus.address, 1)) as [TestSled];
  await until(async () => nexus.sledIds().length === 1, 'it has registered');
  const bytes = Buffer.alloc(100_000, 1);
  nexus.upload([bytes]);
  await nexus.activate();
  await onEveryDisk([sled], [shaOf(bytes)]);
  const [, replaced = ''] = sled.datasets;
  await sled.stop();
  await rm(replaced, { recursive: true });
  await sled.start();
  await until(async () => (await sled.log()).includes('this Nexus sends no floor'), 'it says why it waits');
  const isKnown = async () => nexus.infoOf(nexus.sledIds()[0] ?? '')?.sa_address === sled.agentAddress();
  await until(isKnown, 'it has registered again');
  expect(await nexus.activate()).toMatchObject({ put_config_err: 1 });
  expect(await artifactsOnDisk(sled.datasets[0] ?? '')).toEqual([shaOf(bytes)]);
  await sled.stop();
  const config = join(dirname(dirname(replaced)), sled.serial, 'config.toml');
  const reset = await runTestCli(['sled-agent', 'reset', '--config', config]);
  expect(reset, reset.err).toMatchObject({ exitCode: 0 });
  await sled.start();
  await until(isKnown, 'it has registered again');
  await until(async () => (await nexus.activate()).put_config_ok === 1, 'it takes the config');
  await nexus.activate();
  expect(await artifactsOnDisk(sled.datasets[0] ?? '')).toEqual([shaOf(bytes)]);
});

/** Sled agents of this project, without identities. */
const startSleds = async (
  stack: AsyncDisposableStack,
  nexus: string,
  count: number,
): Promise<readonly TestSled[]> => {
  const home = await mkdtemp(join(directory, 'sleds-'));
  const sleds = Array.from({ length: count }, (_, n) =>
    makeSled(home, n + 1, [nexus], { sledLimits: UNLIMITED.sledLimits, transport: 'plain' }),
  );
  for (const sled of sleds) stack.defer(sled.stop);
  await Promise.all(sleds.map(sled => sled.start()));
  return sleds;
};

/** Of a run that finds nothing to do. */
const idleCounters = (sleds: number) => ({
  ...{ put_config_ok: sleds, list_ok: sleds, put_ok: 0, copy_ok: 0 },
  ...{ put_config_err: 0, list_err: 0, put_err: 0, copy_err: 0 },
});
