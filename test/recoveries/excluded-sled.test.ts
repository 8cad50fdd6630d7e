/** Recovering with less than the page shows: a sled is excluded, and what was lost is given up. */
import { expect, test } from 'vitest';
import { runTestCli } from '../../src/cli/run.fixture.ts';
import { type ArtifactHash, asGeneration } from '../../src/core/ids.ts';
import type { TestSled } from '../fleet-members.fixture.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import { hashesOf, waitComplete } from '../fleet-state.fixture.ts';
import { environmentOf } from './follow.ts';
import { expectOnDisk, startSituation, untilOnDisk, uploadAndLetGo } from './situation.ts';
import { keepBackup, restoreBackup } from './yesterday.ts';

test('lost artifacts may be given up by name; an excluded sled stays diverged and keeps its artifacts (P13, G3)', async () => {
  await using situation = await startSituation({ sleds: 3 });
  const { fleet, nexus, release, makeRelease } = situation;
  const [first, second, excluded] = fleet.sleds as [TestSled, TestSled, TestSled];
  const recover = (...args: string[]) =>
    runTestCli(['recover', 'generation', ...args], { environment: environmentOf(situation) });
  const untilDiverged = (sleds: number) =>
    until(async () => {
      const { reasons } = await nexus.fleet.fleetStatus({}, wait);
      return reasons.filter(({ code }) => code === 'SLED_DIVERGED').length === sleds;
    }, `${sleds} sleds are said to have diverged`);

  const lost = await makeRelease('2.0.0');
  await keepBackup(fleet.database);
  await uploadAndLetGo(nexus, lost);
  await nexus.stop();
  await using agent = excluded.agent();
  const artifacts = hashesOf(release, lost) as ArtifactHash[];
  const { generation, config_digest } = await agent.artifactList({}, wait);
  const succeeds = { generation, config_digest: config_digest! };
  // Further ahead than a Nexus raises the generation by itself.
  const far = asGeneration(5_000);
  await agent.artifactConfigPut({ body: { generation: far, artifacts, succeeds } }, wait);
  await restoreBackup(fleet.database);
  await nexus.start();
  await untilDiverged(3);

  expect(JSON.parse((await recover('--json')).out)).toMatchObject({ state: 'blocked', to: 5_001 });
  expect(await recover('--exclude', excluded.serial, '--apply')).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('RECOVERY_LOSES_ARTIFACTS'),
  });
  const args = ['--exclude', excluded.serial, '--give-up', `${generation}:`, '--apply'];
  expect(await recover(...args)).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining('was 2 and is 4;'),
  });
  await untilOnDisk([first, second], release);
  await untilDiverged(1);
  await expectOnDisk([excluded], release, lost);
  expect((await recover('--exclude', excluded.serial)).out).toMatch(/^There is nothing to recover/);
  expect(await recover(...args), 'the same once more').toMatchObject({
    exitCode: 0,
    out: expect.stringMatching(/^There is nothing to recover/),
  });

  // It is brought back by a recovery of its own, and has its artifacts still.
  await nexus.upload(lost);
  expect(await recover('--apply')).toMatchObject({ exitCode: 0, out: expect.stringContaining('is 5001') });
  await waitComplete(nexus, '2.0.0');
  await expectOnDisk(fleet.sleds, release, lost);
  await untilDiverged(0);
  expect(await agent.artifactList({}, wait)).toMatchObject({ generation: 5_001, deletions_total: 0 });
}, 240_000);
