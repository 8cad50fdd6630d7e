/**
 * Real disks of sleds, and what may happen to them: full, read-only, gone and back.
 *
 * Where file systems cannot be mounted the tests are skipped, and a line says so.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { createTestDisk, missingForDisks, type TestDisk } from './disks.fixture.ts';
import type { TestNexus, TestSled } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, replicationDetails, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';
import { isNamed, nothingIsSaidOf, sledView } from './sled-status.fixture.ts';

const TIMEOUT_MS = 240_000;
const MIB = 1024 ** 2;

const missing = await missingForDisks();
if (missing !== undefined)
  process.stderr.write(`skipped: tests of real disks (test/disks.test.ts): ${missing}\n`);

let directory: string;
let one: TestRelease;
let two: TestRelease;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-disks-'));
  const artifacts = [400_000, 400_000, 400_000];
  one = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts });
  two = await makeTestRelease(directory, { systemVersion: '2.0.0', artifacts, keys: one.keys });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Three sleds; the first has these datasets, and looks at them every second. */
const startFleetWith = (datasets: readonly string[]): Promise<TestFleet> =>
  startTestFleet({
    sleds: 3,
    // A put is sent by hand.
    transport: 'plain',
    minSledReplication: 2,
    sledLimits: { min_free_bytes: 0 },
    sled: n => (n === 1 ? { datasets, config: { intervals: { registration_s: 1, reconcile_s: 1 } } } : {}),
  });

const holds = async (dataset: string, ...releases: TestRelease[]): Promise<boolean> => {
  const names = await artifactsOnDisk(dataset);
  return JSON.stringify(names) === JSON.stringify(hashesOf(...releases));
};

const othersHold = async ({ sleds }: TestFleet, ...releases: TestRelease[]): Promise<void> => {
  for (const dataset of sleds.slice(1).flatMap(sled => sled.datasets))
    await until(() => holds(dataset, ...releases), `${dataset} is filled`);
};

type Situation = {
  readonly nexus: TestNexus;
  readonly fleet: TestFleet;
  /** The sled with the disks. */
  readonly affected: TestSled;
  readonly a: TestDisk;
  readonly b: TestDisk;
};

/** A fleet whose first sled has two disks of these sizes, and trusts who signs. */
const onDisks =
  (sizes: readonly [a: number, b: number], body: (situation: Situation) => Promise<void>) => async () => {
    await using a = await createTestDisk(sizes[0]);
    await using b = await createTestDisk(sizes[1]);
    await using fleet = await startFleetWith([a.dataset, b.dataset]);
    const nexus = fleet.nexuses[0]!;
    await nexus.trust(one);
    await body({ nexus, fleet, affected: fleet.sleds[0]!, a, b });
  };

describe.skipIf(missing !== undefined).concurrent('disks', () => {
  test(
    'a sled whose disks are full answers 507 with numbers and is named, the others go on; deleting a release gives it room (S16, G8)',
    onDisks([2 * MIB, 2 * MIB], async ({ nexus, fleet, affected: full, a }) => {
      await nexus.upload(one);
      await waitComplete(nexus, '1.0.0');
      await nexus.upload(two);
      await othersHold(fleet, one, two);
      await until(async () => (await replicationDetails(nexus)).local_repos === 0, 'two sleds are enough');
      const numbers =
        /has no space for 400000 more bytes: \d+ are left on the file system above the 0 to keep free/;
      await isNamed(nexus, full, /^SLED_WRITES_PAUSED$/, { error: numbers });

      const { address, generation } = await sledView(nexus, full);
      const held = await artifactsOnDisk(a.dataset);
      const lacking = two.artifacts.find(({ sha256 }) => !held.includes(sha256))!;
      const url = `http://${address}/artifacts/${lacking.sha256}?generation=${generation}`;
      const answer = await fetch(url, { method: 'PUT', body: Buffer.from(lacking.bytes) });
      expect(answer.status).toBe(507);
      const body = (await answer.json()) as { error_code: string; message: string };
      expect(body).toMatchObject({ error_code: 'NO_SPACE', message: expect.stringMatching(numbers) });

      await nexus.update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
      await waitComplete(nexus, '2.0.0');
      for (const dataset of full.datasets) await until(() => holds(dataset, two), `${dataset} is whole`);
      await nothingIsSaidOf(nexus, full);
    }),
    TIMEOUT_MS,
  );

  test(
    'one full dataset beside a good one is named with its numbers; every artifact is on the good one (G8, B9)',
    onDisks([1 * MIB, 8 * MIB], async ({ nexus, fleet, affected: short, a: small, b: large }) => {
      await nexus.upload(one);
      await othersHold(fleet, one);
      await until(() => holds(large.dataset, one), 'the good dataset has all');
      await isNamed(nexus, short, /^TRANSFER_FAILED$/, {
        error: new RegExp(`${small.dataset} has no space for 400000 more bytes: \\d+ are left`),
      });
      const { datasets } = await sledView(nexus, short);
      expect(datasets.find(({ path }) => path === small.dataset)?.message).toMatch(
        /has no space for 400000 more bytes/,
      );
      expect(datasets.find(({ path }) => path === large.dataset)?.message).toBeUndefined();
      const release = await nexus.fleet.releaseReplication({ params: { system_version: '1.0.0' } }, wait);
      expect(release).toMatchObject({ safe: true, complete: false, sleds_holding_all: 3 });
    }),
    TIMEOUT_MS,
  );

  test(
    'a dataset that becomes read-only is named and still serves; the other takes what is new; writable again it catches up (G8, S12)',
    onDisks([8 * MIB, 8 * MIB], async ({ nexus, fleet, affected, a, b }) => {
      await nexus.upload(one);
      await waitComplete(nexus, '1.0.0');
      await a.makeReadOnly();
      await nexus.upload(two);
      await othersHold(fleet, one, two);
      await until(() => holds(b.dataset, one, two), 'the other dataset has all');
      await isNamed(nexus, affected, /^DATASET_FAULT$/, {
        ...{ path: a.dataset, state: 'read_only', error: /EROFS/ },
      });
      expect(await holds(a.dataset, one)).toBe(true);
      expect(affected.isRunning()).toBe(true);
      await a.makeWritable();
      await until(() => holds(a.dataset, one, two), 'it has caught up');
      await nothingIsSaidOf(nexus, affected);
    }),
    TIMEOUT_MS,
  );

  test(
    'a dataset that vanishes is named; it returns with its old content, which is brought up to date and never believed (G6, P5)',
    onDisks([8 * MIB, 8 * MIB], async ({ nexus, fleet, affected, a, b }) => {
      await nexus.upload(one);
      await waitComplete(nexus, '1.0.0');
      await a.remove();
      await nexus.upload(two);
      await othersHold(fleet, one, two);
      await until(() => holds(b.dataset, one, two), 'the other dataset has all');
      await isNamed(nexus, affected, /^DATASET_FAULT$/, { path: a.dataset, state: 'missing' });
      await nexus.update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
      await othersHold(fleet, two);
      await until(() => holds(b.dataset, two), 'the other dataset lets go too');
      const below = (await a.namesInMountPoint()).filter(name => name !== 'lock');
      expect(below, 'nothing is put into the mount point').toEqual([]);
      const before = (await sledView(nexus, affected)).generation!;

      await a.insert();
      expect(await holds(a.dataset, one), 'its old content').toBe(true);
      await until(() => holds(a.dataset, two), 'it has deleted the old release, and has the new one');
      await waitComplete(nexus, '2.0.0');
      await nothingIsSaidOf(nexus, affected);
      expect((await sledView(nexus, affected)).generation).toBeGreaterThanOrEqual(before);
    }),
    TIMEOUT_MS,
  );
});
