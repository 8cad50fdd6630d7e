/** What may happen to a fleet while it replicates, over real processes: kills, a dead sled, two Nexus instances. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ArtifactHash } from '../src/core/ids.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import {
  activateReplication,
  artifactsOnDisk,
  hashesOf,
  replicationDetails,
  waitComplete,
} from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

let directory: string;
let one: TestRelease;
let two: TestRelease;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-releases-'));
  const shared = { seed: 'shared', sizeBytes: 400_000 };
  one = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [shared, 250_000, 10_000] });
  two = await makeTestRelease(directory, {
    systemVersion: '2.0.0',
    artifacts: [shared, 90_000],
    keys: one.keys,
  });
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const everySledHolds = async (fleet: TestFleet, ...releases: TestRelease[]) => {
  for (const sled of fleet.sleds) {
    for (const dataset of sled.datasets)
      expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(...releases));
  }
};

test('Nexus is killed after recording and before the first put; restarted, it still replicates the release (B1, P4)', async () => {
  await using fleet = await startTestFleet({ sleds: 3, minSledReplication: 3 });
  const nexus = fleet.nexuses[0]!;
  await nexus.trust(one);
  // No sled can take anything yet, so that the kill comes before the first put for certain.
  for (const sled of fleet.sleds) await sled.stop();
  await nexus.upload(one);
  await nexus.kill();
  expect((await readdir(nexus.stagingDirectory)).filter(name => name.endsWith('.zip'))).toHaveLength(1);
  await nexus.start();
  for (const sled of fleet.sleds) await sled.start();
  await waitComplete(nexus, '1.0.0');
  await everySledHolds(fleet, one);
  await until(
    async () => (await readdir(nexus.stagingDirectory)).every(name => !name.endsWith('.zip')),
    'staging is empty',
  );
});

test('a sled that is dead throughout is named, and the others converge without it (G8)', async () => {
  await using fleet = await startTestFleet({ sleds: 4, minSledReplication: 3 });
  const nexus = fleet.nexuses[0]!;
  const [dead, ...others] = fleet.sleds;
  await dead!.kill();
  await nexus.trust(one);
  await nexus.upload(one);
  for (const sled of others) {
    for (const dataset of sled.datasets) {
      await until(
        async () => (await artifactsOnDisk(dataset)).length === hashesOf(one).length,
        `${dataset} is filled`,
      );
    }
  }
  await until(
    async () => (await replicationDetails(nexus)).local_repos === 0,
    'three sleds are enough to be safe',
  );
  const status = await nexus.fleet.fleetStatus({}, wait);
  expect(status.verdict).toBe('degraded');
  expect(status.reasons).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        code: 'SLED_UNREACHABLE',
        details: expect.objectContaining({ serial: dead!.serial }),
        message: expect.stringContaining(dead!.serial),
      }),
    ]),
  );
  const release = await nexus.fleet.releaseReplication({ params: { system_version: '1.0.0' } }, wait);
  expect(release).toMatchObject({ safe: true, complete: false, sleds_holding_all: 3, sleds_in_service: 4 });

  const [lacking] = hashesOf(one);
  const artifact = await nexus.fleet.artifactView({ params: { sha256: lacking as ArtifactHash } }, wait);
  expect(artifact.reasons, 'why that sled lacks it').toMatchObject([{ code: 'SLED_UNREACHABLE' }]);

  await dead!.start();
  await waitComplete(nexus, '1.0.0');
  await everySledHolds(fleet, one);
});

test('an expunged sled does not count: the release is complete without it (S23)', async () => {
  await using fleet = await startTestFleet({ sleds: 3, minSledReplication: 2 });
  const nexus = fleet.nexuses[0]!;
  await fleet.sleds[2]!.kill();
  await nexus.trust(one);
  await nexus.upload(one);
  await until(async () => (await replicationDetails(nexus)).local_repos === 0, 'two sleds are enough');
  const sleds = (await nexus.fleet.sledList({ query: {} }, wait)).items;
  const id = sleds.find(sled => sled.serial === fleet.sleds[2]!.serial)!.id;
  await nexus.fleet.sledSetPolicy({ params: { sled_id: id }, body: { policy: 'expunged' } }, wait);
  await waitComplete(nexus, '1.0.0');
  const release = await nexus.fleet.releaseReplication({ params: { system_version: '1.0.0' } }, wait);
  expect(release).toMatchObject({ complete: true, sleds_in_service: 2 });
});

test('two Nexus instances on one database: uploads to both, a delete at one, everything right at the end', async () => {
  await using fleet = await startTestFleet({ nexuses: 2, sleds: 3, minSledReplication: 3 });
  const [a, b] = fleet.nexuses as [TestFleet['nexuses'][number], TestFleet['nexuses'][number]];
  await a.trust(one);
  const outcomes = await Promise.all([a.upload(one), b.upload(one), b.upload(two)]);
  expect(
    outcomes
      .slice(0, 2)
      .map(outcome => outcome.status)
      .sort(),
  ).toEqual(['already_exists', 'inserted']);
  await Promise.all([waitComplete(a, '1.0.0'), waitComplete(b, '2.0.0')]);
  await everySledHolds(fleet, one, two);
  await until(async () => {
    const held = await Promise.all([a, b].map(replicationDetails));
    return held.every(details => details.local_repos === 0);
  }, 'both drop their archives');

  await a.update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  await until(
    async () => (await artifactsOnDisk(fleet.sleds[0]!.datasets[0]!)).length === hashesOf(two).length,
    'deleted',
  );
  await Promise.all([activateReplication(a), activateReplication(b)]);
  await until(async () => {
    const held = await Promise.all(fleet.sleds.flatMap(sled => sled.datasets).map(artifactsOnDisk));
    return held.every(hashes => hashes.length === hashesOf(two).length);
  }, 'the unshared artifacts are gone everywhere');
  await everySledHolds(fleet, two);
  expect((await replicationDetails(a)).generation).toBe((await replicationDetails(b)).generation);
});

test('a truncated artifact is not counted as held, and is replaced from another sled (G5, B11)', async () => {
  await using fleet = await startTestFleet({ sleds: 3, minSledReplication: 3 });
  const nexus = fleet.nexuses[0]!;
  await nexus.trust(one);
  await nexus.upload(one);
  await waitComplete(nexus, '1.0.0');
  const victim = hashesOf(one).find(hash => one.artifacts.find(a => a.sha256 === hash)!.sizeBytes > 100_000)!;
  await writeFile(join(fleet.sleds[1]!.datasets[0]!, victim), 'cut short');
  await activateReplication(nexus);
  await until(async () => {
    try {
      return (await artifactsOnDisk(fleet.sleds[1]!.datasets[0]!)).includes(victim);
    } catch {
      return false; // still the truncated one
    }
  }, 'the artifact is whole again');
});

test('a sled that is killed while artifacts arrive keeps its generation and ends up whole (G6, P2)', async () => {
  const big = await makeTestRelease(directory, {
    systemVersion: '3.0.0',
    artifacts: Array.from({ length: 12 }, () => 2_000_000),
    keys: one.keys,
  });
  await using fleet = await startTestFleet({ sleds: 3, minSledReplication: 2 });
  const nexus = fleet.nexuses[0]!;
  await nexus.trust(one);
  await nexus.upload(big);
  const sled = fleet.sleds[0]!;
  await until(
    async () => (await readdir(sled.datasets[0]!)).some(name => /^[0-9a-f]{64}$/.test(name)),
    'something arrived',
  );
  await sled.kill();
  await artifactsOnDisk(sled.datasets[0]!); // whole under its name, or not there (D1)
  await sled.start();
  await waitComplete(nexus, '3.0.0');
  await everySledHolds(fleet, big);
});
