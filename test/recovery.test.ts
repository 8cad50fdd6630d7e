/**
 * The database went back, over real processes: what "The database went back" in docs/operations.md says, step by step.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sledAgentApi } from '../src/api/sled-agent-api.ts';
import { runTestCli } from '../src/cli/test-run.ts';
import { type ArtifactHash, asGeneration } from '../src/core/ids.ts';
import { createApiClient } from '../src/http/client.ts';
import { makeTestRelease, type TestRelease } from '../src/release/test-release.ts';
import {
  artifactsOnDisk,
  hashesOf,
  replicationDetails,
  startTestFleet,
  type TestFleet,
  until,
  wait,
  waitComplete,
} from './process-fleet.fixture.ts';

let directory: string;
let one: TestRelease;
let two: TestRelease;
let fleet: TestFleet;

/** Three sleds hold 1.0.0, and no archive is left: that is the backup. 2.0.0 comes after it. */
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-releases-'));
  const shared = { seed: 'shared', sizeBytes: 200_000 };
  one = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [shared, 50_000] });
  two = await makeTestRelease(directory, {
    systemVersion: '2.0.0',
    artifacts: [shared, 90_000, 10_000],
    keys: one.keys,
  });
  fleet = await startTestFleet({ sleds: 3, minSledReplication: 3 });
  const [nexus] = fleet.nexuses;
  await nexus!.trust(one);
  await uploadAndLetGo(one);
  await keepBackup();
  await uploadAndLetGo(two);
});
afterEach(async () => {
  await fleet[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const nexusOf = () => fleet.nexuses[0]!;
const deleteRelease = ({ systemVersion }: TestRelease) =>
  nexusOf().update.repositoryDelete({ params: { system_version: systemVersion } }, wait);

const uploadAndLetGo = async (release: TestRelease): Promise<void> => {
  await nexusOf().upload(release);
  await waitComplete(nexusOf(), release.systemVersion);
  await until(async () => (await replicationDetails(nexusOf())).local_repos === 0, 'the archive is let go');
};

/** Those that say what is wanted, each after those that it refers to. */
const TABLES = [
  ...['tuf_trust_root', 'tuf_trust_root_chain', 'tuf_repo', 'tuf_repo_role', 'tuf_repo_metadata'],
  ...['tuf_artifact_file', 'tuf_artifact', 'tuf_artifact_tag', 'tuf_repo_artifact', 'tuf_generation'],
  ...['target_release', 'local_repo', 'override_audit'],
];

const keepBackup = async (): Promise<void> => {
  await fleet.database.query('CREATE SCHEMA yesterday');
  for (const table of TABLES)
    await fleet.database.query(`CREATE TABLE yesterday.${table} AS SELECT * FROM public.${table}`);
};

const restoreBackup = async (): Promise<void> => {
  await nexusOf().stop();
  await fleet.database.query(
    [
      `TRUNCATE ${TABLES.join(', ')}`,
      ...TABLES.map(table => `INSERT INTO ${table} SELECT * FROM yesterday.${table}`),
    ].join('; '),
  );
  await nexusOf().start();
};

/** `tuf-depot recover generation ARGS` as an operator calls it. */
const recover = async (...args: string[]) => {
  const { operator_address } = JSON.parse(
    await readFile(join(fleet.directory, 'nexus-1', 'ready.json'), 'utf8'),
  );
  const where = ['--url', `http://${operator_address}`, '--token-file', join(fleet.directory, 'token')];
  return runTestCli(['recover', 'generation', ...where, ...args]);
};

const divergedSleds = async (): Promise<number> => {
  const { reasons } = await nexusOf().fleet.fleetStatus({}, wait);
  return reasons.filter(({ code }) => code === 'SLED_DIVERGED').length;
};
const untilDiverged = (sleds: number) =>
  until(async () => (await divergedSleds()) === sleds, `${sleds} sleds are said to have diverged`);
const expectOnDisk = async (sleds: TestFleet['sleds'], ...releases: TestRelease[]) => {
  for (const dataset of sleds.flatMap(sled => sled.datasets))
    expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(...releases));
};
const untilOnDisk = (sleds: TestFleet['sleds'], ...releases: TestRelease[]) =>
  until(
    async () => {
      await expectOnDisk(sleds, ...releases);
      return true;
    },
    `the sleds hold ${releases.map(({ systemVersion }) => systemVersion).join(' and ')}`,
  );

test('B5, P7: the database is restored from yesterday, the lost release is uploaded again, and the generation recovered', async () => {
  // Deleted and uploaded again, so that the sleds are further ahead than uploading it once more will bring the database.
  await deleteRelease(two);
  await untilOnDisk(fleet.sleds, one);
  await uploadAndLetGo(two);
  await restoreBackup();
  await untilDiverged(3);

  const look = await recover();
  expect(look).toMatchObject({ exitCode: 0, err: '' });
  expect(look.out).toContain('the database is at generation 2,');
  expect(look.out).toContain('raises the generation to 6: 3 sleds');
  const lost = hashesOf(two).filter(hash => !hashesOf(one).includes(hash));
  for (const hash of lost) expect(look.out).toContain(hash);

  const refused = await recover('--apply');
  expect(refused).toMatchObject({ exitCode: 1, err: expect.stringContaining('[RECOVERY_LOSES_ARTIFACTS]') });
  await expectOnDisk(fleet.sleds, one, two);

  expect(await nexusOf().upload(two)).toMatchObject({ status: 'inserted' });
  const looked = JSON.parse((await recover('--json')).out);
  expect(looked).toMatchObject({ state: 'needed', generation: 3, to: 6, unknown_artifacts_total: 0 });
  const done = await recover('--apply');
  expect(done).toMatchObject({ exitCode: 0, out: expect.stringContaining('generation was 3 and is 6') });
  const again = await recover('--apply');
  expect(again).toMatchObject({ exitCode: 0, out: expect.stringContaining('nothing to recover') });

  await waitComplete(nexusOf(), '1.0.0');
  await waitComplete(nexusOf(), '2.0.0');
  await until(async () => (await replicationDetails(nexusOf())).local_repos === 0, 'the archive is let go');
  await expectOnDisk(fleet.sleds, one, two);
  await until(
    async () => (await nexusOf().fleet.fleetStatus({}, wait)).verdict === 'ok',
    'the verdict is ok',
  );
  const sleds = (await nexusOf().fleet.sledList({ query: {} }, wait)).items;
  expect(sleds.map(({ generation, deletions_total }) => [generation, deletions_total])).toEqual(
    // Of the time when 2.0.0 was deleted.
    Array(3).fill([6, lost.length]),
  );
});

test('P7, G3: what the database lost may be let go of knowingly; an excluded sled stays diverged and keeps what it has', async () => {
  const [first, second, excluded] = fleet.sleds as [TestFleet['sleds'][number], ...TestFleet['sleds']];
  const listed = (await nexusOf().fleet.sledList({ query: {} }, wait)).items;
  const { address } = listed.find(({ serial }) => serial === excluded!.serial)!;
  const artifacts = hashesOf(one, two) as ArtifactHash[];
  await nexusOf().stop();
  await using agent = createApiClient(sledAgentApi, { baseUrl: `http://${address}` });
  await agent.artifactConfigPut({ body: { generation: asGeneration(1_000), artifacts } }, wait);
  await restoreBackup();
  await untilDiverged(3);

  expect(JSON.parse((await recover('--json')).out)).toMatchObject({ state: 'blocked', to: 1_001 });
  const args = ['--exclude', excluded!.serial, '--let-go-of-unknown-artifacts', '--apply'];
  expect(await recover(...args)).toMatchObject({ exitCode: 0, out: expect.stringContaining('and is 4.') });
  await untilOnDisk([first, second!], one);
  await untilDiverged(1);
  await expectOnDisk([excluded!], one, two);
  const alone = await recover('--exclude', excluded!.serial);
  expect(alone.out).toMatch(/^There is nothing to recover/);

  // It is brought back by a recovery of its own, and has its artifacts still.
  await nexusOf().upload(two);
  expect(await recover('--apply')).toMatchObject({ exitCode: 0, out: expect.stringContaining('is 1001') });
  await waitComplete(nexusOf(), '2.0.0');
  await expectOnDisk(fleet.sleds, one, two);
  await untilDiverged(0);
  const after = await agent.artifactList({}, wait);
  expect(after).toMatchObject({ generation: 1_001, deletions_total: 0 });
});
