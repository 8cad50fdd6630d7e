/** S20: one release in, every artifact on every sled, over real processes; indifferent to extra activations. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  makeTestRelease,
  type TestRelease,
  type TestReleaseOptions,
} from '../src/signing/release.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import {
  activateReplication,
  artifactsOnDisk,
  hashesOf,
  replicationDetails,
  waitComplete,
} from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

let fleet: TestFleet;
let directory: string;
let one: TestRelease;
let two: TestRelease;

const shared = [
  { seed: 'shared-a', sizeBytes: 300_000 },
  { seed: 'shared-b', sizeBytes: 70_000 },
];
const release = (options: TestReleaseOptions) => makeTestRelease(directory, { ...options, keys: one?.keys });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-releases-'));
  one = await makeTestRelease(directory, {
    systemVersion: '1.0.0',
    artifacts: [...shared, { seed: 'only-one', sizeBytes: 200_000 }, 0, 1],
  });
  two = await release({
    systemVersion: '2.0.0',
    artifacts: [...shared, { seed: 'only-two', sizeBytes: 150_000 }],
    versions: { timestamp: 2, snapshot: 2, targets: 2 },
  });
  fleet = await startTestFleet({
    sleds: 4,
    minSledReplication: 3,
    // A busy sled would be passed over by a put, and copy later instead: right, but then the sums are others.
    replication: { transfers_to_sled: 64, copies_from_source: 64 },
    sledLimits: { puts: 64, copies: 64 },
  });
});

afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const nexus = () => fleet.nexuses[0]!;

test('without a trust root an upload is refused, nothing is recorded, and staging is empty', async () => {
  await expect(nexus().upload(one)).rejects.toMatchObject({ code: 'NO_TRUST_ROOT' });
  await expect(
    nexus().update.repositoryView({ params: { system_version: '1.0.0' } }, wait),
  ).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  expect((await readdir(nexus().stagingDirectory)).filter(name => name.includes('.zip'))).toEqual([]);
});

test('each artifact is sent to every sled once, by Nexus or by a sled, then only config and list, and no local repo (G1, S5, S20)', async () => {
  await nexus().trust(one);
  const before = (await replicationDetails(nexus())).lifetime_counters;
  const { status, repo } = await nexus().upload(one);
  expect({ status, version: repo.system_version, hash: repo.hash }).toEqual({
    status: 'inserted',
    version: '1.0.0',
    hash: one.sha256,
  });
  await waitComplete(nexus(), '1.0.0');
  await until(async () => (await replicationDetails(nexus())).local_repos === 0, 'the local repo is dropped');

  const artifacts = hashesOf(one).length;
  const { lifetime_counters: after, generation } = await replicationDetails(nexus());
  const grown = Object.fromEntries(Object.entries(after).map(([name, n]) => [name, n - (before[name] ?? 0)]));
  expect(grown).toMatchObject({
    put_err: 0,
    put_busy: 0,
    copy_err: 0,
    copy_failed: 0,
    put_config_err: 0,
    list_err: 0,
  });
  // Once from Nexus, and again only for a sled that waits a second, as one may on a slow machine (PL1).
  expect(grown.put_ok).toBeGreaterThanOrEqual(artifacts);
  expect(grown.put_ok! + grown.copy_ok!).toBe(4 * artifacts);
  expect(grown.copy_done).toBe(grown.copy_ok);
  expect(generation).toBe(2);

  await activateReplication(nexus());
  const idle = await replicationDetails(nexus());
  expect(idle.last_run_counters).toMatchObject({ put_config_ok: 4, list_ok: 4, put_ok: 0, copy_ok: 0 });
  expect(idle).toMatchObject({ requests_deferred: 0, again_in_ms: null });
});

test('every artifact is on both datasets of every sled, and is what its name says', async () => {
  for (const sled of fleet.sleds) {
    for (const dataset of sled.datasets) expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(one));
  }
});

test('the same archive again already exists; the generation stays, and the archive is dropped again (S3)', async () => {
  expect((await nexus().upload(one)).status).toBe('already_exists');
  await until(async () => (await replicationDetails(nexus())).local_repos === 0, 'the local repo is dropped');
  expect((await replicationDetails(nexus())).generation).toBe(2);
});

test('conflicts: the same version with other content, the same bytes under another version', async () => {
  const otherContent = await release({
    systemVersion: '1.0.0',
    contentSeed: 'other',
    fileName: 'other-content.zip',
  });
  await expect(nexus().upload(otherContent)).rejects.toMatchObject({ code: 'RELEASE_CONFLICT' });
  const otherVersion = await release({
    systemVersion: '1.1.0',
    artifacts: [{ ...shared[0]!, version: '9.9.9' }],
    fileName: 'other-version.zip',
  });
  await expect(nexus().upload(otherVersion)).rejects.toMatchObject({ code: 'ARTIFACT_CONFLICT' });
  expect((await nexus().update.repositoryList({ query: {} }, wait)).items.map(r => r.system_version)).toEqual(
    ['1.0.0'],
  );
});

test('a target release has to be complete first, and then may be set (B17)', async () => {
  await nexus().update.targetReleaseUpdate({ query: {}, body: { system_version: '1.0.0' } }, wait);
  const status = await nexus().update.updateStatus({}, wait);
  expect(status.target_release?.version).toBe('1.0.0');
  expect(status.components_by_release_version).toEqual({ '1.0.0': 4 });
});

test('only the unshared artifacts of a second release are transferred (S5)', async () => {
  const before = (await replicationDetails(nexus())).lifetime_counters;
  await nexus().upload(two);
  await waitComplete(nexus(), '2.0.0');
  const after = (await replicationDetails(nexus())).lifetime_counters;
  const fresh = hashesOf(two).filter(hash => !hashesOf(one).includes(hash)).length;
  expect(fresh).toBeLessThan(hashesOf(two).length);
  const grown = (counter: 'put_ok' | 'copy_ok') => after[counter]! - before[counter]!;
  expect(grown('put_ok') + grown('copy_ok')).toBe(4 * fresh);
});

test('a deleted release removes exactly its unshared artifacts, and they are not fetched again (G3)', async () => {
  await expect(
    nexus().update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait),
    'the target release is in use',
  ).rejects.toMatchObject({ code: 'RELEASE_IN_USE' });
  await nexus().update.targetReleaseUpdate({ query: {}, body: { system_version: '2.0.0' } }, wait);
  await nexus().update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  const datasets = fleet.sleds.flatMap(sled => sled.datasets);
  await until(async () => {
    const held = await Promise.all(datasets.map(artifactsOnDisk));
    return held.every(hashes => hashes.length === hashesOf(two).length);
  }, 'the unshared artifacts are deleted');
  await activateReplication(nexus());
  for (const dataset of datasets) expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(two));
  expect((await replicationDetails(nexus())).lifetime_counters.deletions).toBeGreaterThan(0);
});

test('a pruned release that is uploaded again comes back and replicates again (B10, S14)', async () => {
  expect((await nexus().upload(one)).status).toBe('already_exists');
  await waitComplete(nexus(), '1.0.0');
  for (const dataset of fleet.sleds.flatMap(sled => sled.datasets)) {
    expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(one, two));
  }
});

test('every process stops cleanly on SIGTERM (S15)', async () => {
  for (const process of [...fleet.nexuses, ...fleet.sleds]) await process.stop();
  for (const process of [...fleet.nexuses, ...fleet.sleds])
    expect(await process.log()).not.toMatch(/"level":50/);
});
