/**
 * A real Nexus with two sleds, killed at every step of an upload until it is safe, of a start that takes up an
 * archive, and of a deletion. What is right is read from the disks and, by SQL of this test, from the database.
 *
 * A step that only reads leaves the same behind as the one after it, so only those that change something count.
 */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../src/nexus/datastore/database.fixture.ts';
import { makeTestRelease, type TestRelease } from '../../src/signing/release.fixture.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, hashOfFile } from '../fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from '../process-fleet.fixture.ts';
import { actUntilKilled, choosePoints, createKillSwitch, type KillSwitch, report } from './crash-points.ts';

const SLEDS = 2;
/**
 * Files of the staging directory, statements that write, requests to sleds that change them, and the answer to an
 * upload. The heartbeat and registrations come by the clock, and not for the sake of what is done here; they are
 * answered like a deletion, so that answer is no step.
 */
const CHANGES =
  /^(?!request|answer|sql)|^answer 20[01]|^request (?:PUT|POST)|^sql (?:insert|update|delete) (?!.*"(?:sled|nexus)")|^sql COMMIT of (?!sled$|nexus$)\w/;

let directory: string;
let database: TestDatabase;
let fleet: TestFleet;
let killer: KillSwitch;
let first: TestRelease;
let made = 0;

const nexus = () => fleet.nexuses[0]!;
const newRelease = (): Promise<TestRelease> => {
  made += 1;
  return makeTestRelease(directory, {
    systemVersion: `1.0.${made}`,
    artifacts: [{ seed: 'in-all-of-them', sizeBytes: 2_000 }, 3_000, 1_500],
    ...(first === undefined ? {} : { keys: first.keys }),
  });
};

const stagedFiles = async (): Promise<string[]> =>
  (await readdir(nexus().stagingDirectory)).filter(name => !['lock', 'nexus-id'].includes(name));

const isStagedWhole = async (release: TestRelease): Promise<boolean> => {
  for (const name of (await stagedFiles()).filter(each => each.endsWith('.zip'))) {
    if ((await hashOfFile(join(nexus().stagingDirectory, name))) === release.sha256) return true;
  }
  return false;
};

const datasets = () => fleet.sleds.flatMap(sled => sled.datasets);
const isOnEverySled = async (release: TestRelease): Promise<boolean> => {
  const found = await Promise.all(datasets().map(artifactsOnDisk));
  return found.every(hashes => hashesOf(release).every(hash => hashes.includes(hash)));
};
const own = (release: TestRelease) => hashesOf(release).filter(hash => hash !== hashesInAll());
const hashesInAll = () => first.artifacts[0]!.sha256;
const isOnNoSled = async (release: TestRelease): Promise<boolean> => {
  const found = (await Promise.all(datasets().map(artifactsOnDisk))).flat();
  return !own(release).some(hash => found.includes(hash));
};

const isSettled = async (release: TestRelease) =>
  (await isOnEverySled(release)) && (await stagedFiles()).length === 0;

type Row = { time_pruned: Date | null };
const recorded = async ({ systemVersion }: TestRelease): Promise<Row | undefined> =>
  (
    await database.query<Row>('SELECT time_pruned FROM tuf_repo WHERE system_version = $1', [systemVersion])
  )[0];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-crash-'));
  database = await createTestDatabase();
  killer = createKillSwitch(directory, 'nexus-1', () => [nexus().stagingDirectory]);
  fleet = await startTestFleet({
    sleds: SLEDS,
    minSledReplication: SLEDS,
    database,
    sledLimits: { min_free_bytes: 0 },
    nodeArguments: name => (name === 'nexus-1' ? killer.nodeArguments : []),
  });
  first = await newRelease();
  await nexus().trust(first);
  await nexus().upload(first);
  await until(() => isSettled(first), 'the first release is on the sleds');
});
// Each test begins with a fleet that runs, whatever became of the one before.
beforeEach(async () => {
  await killer.disarm();
  for (const process of [nexus(), ...fleet.sleds]) if (!process.isRunning()) await process.start();
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

test('an upload, killed at each step until it is safe: it is recorded and kept, or gone (G4, B1, P4)', async () => {
  const upload = async (release: TestRelease, onAnswer: () => void) => {
    await nexus().upload(release);
    onAnswer();
    while (!(await isSettled(release))) if (!nexus().isRunning()) throw new Error('it is gone');
  };
  const counted = await newRelease();
  await killer.arm(nexus(), { match: CHANGES, at: null });
  await upload(counted, () => undefined);
  const steps = await killer.steps();
  const points = choosePoints(steps.length, 11);
  for (const at of points) {
    const release = await newRelease();
    let answered = false;
    await actUntilKilled(
      nexus(),
      () => killer.arm(nexus(), { match: CHANGES, at }),
      () =>
        upload(release, () => {
          answered = true;
        }),
    );
    const step = `killed before ${(await killer.steps()).at(-1)}`;
    const row = await recorded(release);
    if (answered) expect(row, step).toEqual({ time_pruned: null });
    if (row !== undefined)
      expect(
        (await isStagedWhole(release)) || (await isOnEverySled(release)),
        `${step}: it is somewhere`,
      ).toBe(true);
    await killer.disarm();
    await nexus().start();
    if (row !== undefined) await until(() => isSettled(release), `${step}: it converges by itself`);
    expect(await stagedFiles(), `${step}: staging is empty`).toEqual([]);
    expect(await database.query('SELECT * FROM local_repo'), step).toEqual([]);
    const { status } = await nexus().upload(release);
    expect(status, step).toBe(row === undefined ? 'inserted' : 'already_exists');
    await until(() => isSettled(release), `${step}: it converges after all`);
  }
  report('an upload until it is safe', steps, points);
}, 900_000);

test('a start that adopts an archive, killed at each of its steps in turn: the archive still reaches the sleds (B1, P4)', async () => {
  const release = await newRelease();
  for (const sled of fleet.sleds) await sled.kill();
  await nexus().upload(release);
  await nexus().kill();
  await killer.armStart({ match: CHANGES, at: null });
  await nexus().start();
  const steps = await killer.steps();
  await nexus().kill();
  const points = choosePoints(steps.length, 4);
  for (const at of points) {
    await killer.armStart({ match: CHANGES, at });
    const ended = await nexus()
      .start()
      .then(
        () => nexus().kill(),
        error => error,
      );
    if (ended !== undefined) expect(ended).toMatchObject({ code: 'CHILD_FAILED', message: /SIGKILL/ });
    expect(await isStagedWhole(release), `killed before ${(await killer.steps()).at(-1)}`).toBe(true);
  }
  await killer.disarm();
  await nexus().start();
  for (const sled of fleet.sleds) await sled.start();
  await until(() => isSettled(release), 'it converges');
  report('a start that takes up an archive', steps, points);
}, 900_000);

test('a deletion, killed at each step: it is done or not, and then the sleds follow (G2, G3)', async () => {
  const remove = async (release: TestRelease, onAnswer: () => void) => {
    await nexus().update.repositoryDelete({ params: { system_version: release.systemVersion } }, wait);
    onAnswer();
    while (!(await isOnNoSled(release))) if (!nexus().isRunning()) throw new Error('it is gone');
  };
  const uploaded = async () => {
    const release = await newRelease();
    await nexus().upload(release);
    await until(() => isSettled(release), 'it is on the sleds');
    return release;
  };
  const counted = await uploaded();
  await killer.arm(nexus(), { match: CHANGES, at: null });
  await remove(counted, () => undefined);
  const steps = await killer.steps();
  const points = choosePoints(steps.length, 6);
  for (const at of points) {
    const release = await uploaded();
    let answered = false;
    await actUntilKilled(
      nexus(),
      () => killer.arm(nexus(), { match: CHANGES, at }),
      () =>
        remove(release, () => {
          answered = true;
        }),
    );
    const step = `killed before ${(await killer.steps()).at(-1)}`;
    const isPruned = (await recorded(release))!.time_pruned !== null;
    if (answered) expect(isPruned, step).toBe(true);
    if (!isPruned) expect(await isOnEverySled(release), `${step}: not deleted, so kept`).toBe(true);
    await killer.disarm();
    await nexus().start();
    if (!isPruned) await remove(release, () => undefined);
    await until(() => isOnNoSled(release), `${step}: the sleds follow`);
    expect(await isOnEverySled(first), 'what is still wanted stays').toBe(true);
  }
  report('a deletion until the sleds have followed', steps, points);
}, 900_000);
