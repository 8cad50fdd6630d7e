/** A fleet of real processes whose sleds believe an admin key: a large deletion ends by one statement, and by no other one. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runTestCli } from '../src/cli/run.fixture.ts';
import { asGeneration, type Point } from '../src/core/ids.ts';
import type { SignedStatement } from '../src/core/statement.ts';
import { adminKeyPaths, generateAdminKey, makeAdminKey, signStatement } from '../src/identity/admin-key.ts';
import { testFleetIdentity } from '../src/identity/identity.fixture.ts';
import { makeTestRelease } from '../src/signing/release.fixture.ts';
import type { TestSled } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { activateReplication, artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const FLEET = 'prod.example.org';
/** Beyond it a deletion waits longer than any test, unless a person allows it. */
const LIMITED = { limits: { deletion_percent: 50 }, intervals: { deletion_limit_s: 86_400 } };

const start = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'statements-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const { keyFile, publicKeyFile } = adminKeyPaths(directory);
  const key = await makeAdminKey(directory);
  const release = await makeTestRelease(directory, { systemVersion: '1.0.0' });
  // Signatures of releases are another matter.
  const trust = { admin_key_files: [publicKeyFile], require_signed: false };
  const fleet = await startTestFleet({
    identity: { ...testFleetIdentity(FLEET), adminKeyFile: publicKeyFile },
    sleds: 2,
    minSledReplication: 1,
    sled: () => ({ config: { ...LIMITED, trust } }),
  });
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  const nexus = fleet.nexuses[0]!;
  await nexus.trust(release);
  await nexus.upload(release);
  await waitComplete(nexus, '1.0.0');
  const cli = (...args: string[]) =>
    runTestCli(args, {
      environment: { ...nexus.environment(), TUF_DEPOT_ADMIN_KEY: keyFile },
      directory,
    });
  return { fleet, nexus, key, release, cli };
};

const allowance = (point: Point, key = generateAdminKey(), of = FLEET): SignedStatement =>
  signStatement(
    { kind: 'allow_deletion', point, fleet: of, id: randomUUID(), time: new Date().toISOString() },
    key,
  );

const pointsOf = async ({ nexuses }: TestFleet): Promise<Point[]> => {
  const { items } = await nexuses[0]!.fleet.sledList({ query: {} }, wait);
  return items.map(({ generation, config_digest: digest }) => ({
    generation: asGeneration(generation!),
    digest: digest!,
  }));
};

const tell = async (sled: TestSled, ...statements: SignedStatement[]) => {
  const { refused } = await sled.agent().statementsPut({ body: { statements } }, wait);
  return refused.map(({ reason }) => reason);
};

test('a large deletion is limited on every sled and ends by one signed statement; one of another key, fleet or point, or from before, does nothing (T4a)', async () => {
  const { fleet, nexus, key, release, cli } = await start();
  const all = hashesOf(release);
  const [before] = await pointsOf(fleet);
  await nexus.update.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  const limited = async (): Promise<(number | undefined)[]> =>
    (await nexus.fleet.sledList({ query: {} }, wait)).items.map(sled => sled.deletions_limited?.artifacts);
  const areAllLimited = async () => (await limited()).every(artifacts => artifacts === all.length);
  await until(areAllLimited, 'the deletion is limited on every sled');
  const [point] = await pointsOf(fleet);

  const next = { ...point!, generation: asGeneration(point!.generation + 1) };
  const otherSet = { ...point!, digest: before!.digest };
  for (const sled of fleet.sleds) {
    expect(await tell(sled, allowance(point!))).toEqual([expect.stringContaining('is not pinned here')]);
    expect(await tell(sled, allowance(point!, key, 'other.example.org'))).toEqual([
      expect.stringContaining('of the fleet other.example.org'),
    ]);
    expect(await tell(sled, allowance(before!, key), allowance(next, key), allowance(otherSet, key))).toEqual(
      [],
    );
  }
  for (const body of [allowance(point!), allowance(point!, key, 'other.example.org')])
    await expect(nexus.statements.statementCreate({ body }, wait)).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
    });
  await activateReplication(nexus);
  await until(areAllLimited, 'nothing was allowed');
  for (const { datasets } of fleet.sleds)
    for (const dataset of datasets) expect(await artifactsOnDisk(dataset)).toEqual(all);

  const shown = await cli('deletions', 'allow');
  expect(shown).toMatchObject({ exitCode: 0, err: '' });
  expect(shown.out).toContain(`At point ${point!.generation}:${point!.digest}:`);
  expect(shown.out).toContain('Nothing was changed');
  const applied = await cli('deletions', 'allow', '--apply');
  expect(applied).toMatchObject({ exitCode: 0, err: '' });
  expect(applied.out).toContain('allowed by 1 statement');
  for (const { datasets } of fleet.sleds)
    for (const dataset of datasets)
      await until(async () => (await artifactsOnDisk(dataset)).length === 0, `${dataset} is empty`);

  const [sled] = fleet.sleds;
  const known = async () => (await sled!.agent().statementsGet({}, wait)).statements.length;
  const count = await known();
  expect(count).toBe(4);
  await sled!.kill();
  await sled!.start();
  expect(await known()).toBe(count);
  const { items } = await nexus.audit.auditList({ query: { limit: 1000 } }, wait);
  expect(items.map(({ action }) => action?.kind).filter(kind => kind === 'statement_recorded')).toHaveLength(
    1,
  );
  expect((await cli('statement', 'list')).out).toMatch(/verified .* allow_deletion: /);
});
