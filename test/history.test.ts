/** S12: what happened before a restart can be read after it, over real processes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ArtifactHash, SystemVersion } from '../src/core/ids.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import type { TestNexus } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, replicationDetails, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet } from './process-fleet.fixture.ts';

let directory: string;
let release: TestRelease;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-releases-'));
  release = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [200_000, 30_000] });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const history = async (
  nexus: TestNexus,
  query: Parameters<TestNexus['history']['fleetHistory']>[0]['query'],
) => (await nexus.history.fleetHistory({ query: { limit: 1000, ...query } }, wait)).items;

test('a Nexus that was killed meanwhile reports why an artifact came to a sled, and why it was deleted (S11, S12)', async () => {
  await using fleet = await startTestFleet({ sleds: 3, minSledReplication: 2 });
  const nexus = fleet.nexuses[0]!;
  const [sha256] = hashesOf(release) as ArtifactHash[];
  await nexus.trust(release);
  await nexus.upload(release);
  await waitComplete(nexus, '1.0.0');
  await until(async () => (await replicationDetails(nexus)).local_repos === 0, 'the local repo is dropped');
  await until(async () => {
    const events = await history(nexus, { sha256: sha256! });
    return events.filter(({ kind }) => kind === 'put' || kind === 'copy_done').length === 3;
  }, 'each put and copy is in the history');
  await nexus.update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  for (const sled of fleet.sleds) {
    for (const dataset of sled.datasets) {
      await until(async () => (await artifactsOnDisk(dataset)).length === 0, `${dataset} is empty`);
    }
  }
  await until(
    async () => (await history(nexus, { sha256: sha256!, kind: 'deletion' })).length === 3,
    'each sled has told its deletion',
  );

  const before = await history(nexus, {});
  await nexus.kill();
  await nexus.start();
  await until(async () => (await history(nexus, { kind: 'nexus_started' })).length === 2, 'it is back');
  const after = await history(nexus, {});
  expect(after.slice(-before.length), 'nothing of what was written is lost').toEqual(before);
  expect(
    after.filter(({ kind }) => kind === 'nexus_stopped'),
    'it was killed',
  ).toEqual([]);

  const { history: ofArtifact } = await nexus.fleet.artifactView({ params: { sha256: sha256! } }, wait);
  const kinds = ofArtifact.map(({ kind }) => kind);
  const times = (kind: (typeof kinds)[number]) => kinds.filter(each => each === kind).length;
  expect(times('put')).toBeGreaterThanOrEqual(1);
  expect(times('put') + times('copy'), 'each sled received it once').toBe(3);
  expect(times('copy_done')).toBe(times('copy'));
  expect(times('deletion')).toBe(3);
  expect(ofArtifact.every(event => event.sled_id !== undefined && event.generation !== undefined)).toBe(true);

  const ofRelease = await history(nexus, { system_version: '1.0.0' as SystemVersion });
  expect(ofRelease).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'release_recorded', generation: 2 }),
      expect.objectContaining({
        kind: 'release_state',
        details: expect.objectContaining({ state: 'complete', previous_state: expect.any(String) }),
      }),
      expect.objectContaining({ kind: 'local_repo_dropped' }),
      expect.objectContaining({
        kind: 'release_deleted',
        generation: 3,
        details: expect.objectContaining({ by: 'operator' }),
      }),
      ...ofArtifact,
    ]),
  );

  // A fleet at rest: a round of config and list to every sled, and nothing is added.
  const rounds = async () => (await replicationDetails(nexus)).lifetime_counters.list_ok!;
  await until(async () => (await rounds()) > 0, 'a round since the restart');
  const began = await rounds();
  const recorded = (await history(nexus, {})).length;
  await nexus.debug.bgtaskActivate({ body: { bgtask_names: ['tuf_artifact_replication'] } }, wait);
  await until(async () => (await rounds()) >= began + 3, 'another round');
  expect(await history(nexus, {})).toHaveLength(recorded);
});
