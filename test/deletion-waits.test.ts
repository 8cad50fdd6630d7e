/** Deletions of a sled agent wait, as a real process that is killed and restarted: the files on its disks show it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeTestRelease } from '../src/signing/release.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet } from './process-fleet.fixture.ts';

test('artifacts of a deleted release wait on disk, also through a kill, and go when their wait is over (T4)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'deletion-waits-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const release = await makeTestRelease(directory, { systemVersion: '1.0.0' });
  // Longer than any test: what is deleted before is deleted without its wait.
  const intervals = { deletion_wait_s: 86_400 };
  await using fleet = await startTestFleet({
    sleds: 1,
    minSledReplication: 1,
    sled: () => ({ config: { intervals } }),
  });
  const [nexus, sled] = [fleet.nexuses[0]!, fleet.sleds[0]!];
  await nexus.trust(release);
  await nexus.upload(release);
  await waitComplete(nexus, '1.0.0');
  await nexus.update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);

  const waiting = async (): Promise<number | undefined> => {
    const { items } = await nexus.fleet.sledList({ query: {} }, wait);
    return items[0]?.deletions_waiting?.artifacts;
  };
  const all = hashesOf(release);
  const expectAllWait = async () => {
    await until(async () => (await waiting()) === all.length, 'every artifact waits for its deletion');
    for (const dataset of sled.datasets) expect(await artifactsOnDisk(dataset)).toEqual(all);
  };
  await expectAllWait();
  await sled.kill();
  await sled.start();
  await expectAllWait();

  await sled.stop();
  intervals.deletion_wait_s = 1;
  await sled.start();
  for (const dataset of sled.datasets)
    await until(async () => (await artifactsOnDisk(dataset)).length === 0, `${dataset} is empty`);
});
