/** Flipped bits under a stored artifact: a real sled agent finds them by itself, and Nexus has them replaced. */
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import type { TestSled } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet } from './process-fleet.fixture.ts';
import { isNamed, sledView } from './sled-status.fixture.ts';

const TIMEOUT_MS = 180_000;

let directory: string;
let release: TestRelease;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-scrub-'));
  release = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [300_000, 200_000, 1000] });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Of the same length, and one bit apart. */
const flipBit = async (path: string): Promise<Buffer> => {
  await using file = await open(path, 'r+');
  const bytes = await file.readFile();
  const at = bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
  await file.write(bytes, at, 1, at);
  return bytes;
};

/** What was quarantined, by its content. */
const evidenceIn = async (dataset: string): Promise<Buffer[]> => {
  const folder = join(dataset, 'quarantine');
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.map(name => readFile(join(folder, name))));
};

test(
  'a bit that flips under a stored artifact is found within a cycle, kept as evidence, reported, and replaced from another sled (G5, B11)',
  async () => {
    await using fleet = await startTestFleet({
      sleds: 3,
      minSledReplication: 2,
      // At once is not: at the next period.
      replication: { period_secs: 86_400 },
      sled: n => (n === 1 ? { config: { intervals: { registration_s: 1, scrub_s: 4 } } } : {}),
    });
    const nexus = fleet.nexuses[0]!;
    const [affected] = fleet.sleds as [TestSled];
    await nexus.trust(release);
    await nexus.upload(release);
    await waitComplete(nexus, '1.0.0');
    await using agent = affected.agent();
    const list = () => agent.artifactList({}, wait);
    const cycles = async () => (await list()).scrub?.cycles_completed ?? 0;
    await until(async () => (await cycles()) > 0, 'a cycle over what is right');
    expect((await list()).quarantined, 'nothing was wrong').toEqual([]);

    const { sha256 } = release.artifacts[0]!;
    const before = await cycles();
    // On both datasets: no good copy is left on this sled.
    const paths = affected.datasets.map(dataset => join(dataset, sha256));
    const [rotten] = (await Promise.all(paths.map(flipBit))) as [Buffer, Buffer];
    const isSetAside = async (dataset: string) =>
      (await evidenceIn(dataset)).some(file => file.equals(rotten));
    for (const dataset of affected.datasets)
      await until(() => isSetAside(dataset), `it is quarantined in ${dataset}`);
    // The cycle that was under way may have been past that file, and another may have begun since.
    expect(await cycles(), 'found within a cycle').toBeLessThanOrEqual(before + 2);
    for (const dataset of affected.datasets) {
      const isWhole = async () =>
        JSON.stringify(await artifactsOnDisk(dataset)) === JSON.stringify(hashesOf(release));
      await until(isWhole, `${dataset} is whole again`);
    }

    await isNamed(nexus, affected, /^COPY_REPLACED$/, { copies: 2 });
    const { quarantined, scrub } = await sledView(nexus, affected);
    expect(quarantined.map(file => file.sha256)).toEqual([sha256, sha256]);
    expect(scrub).toMatchObject({ last_bad: { sha256 }, files_total: 2 * release.artifacts.length });
    await waitComplete(nexus, '1.0.0');
    const after = await cycles();
    await until(async () => (await cycles()) > after, 'the scrub goes on');
    for (const dataset of affected.datasets)
      expect(await isSetAside(dataset), 'the evidence is kept').toBe(true);
  },
  TIMEOUT_MS,
);
