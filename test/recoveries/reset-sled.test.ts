/** A sled that no recovery can follow is reset on its machine, and follows the database again without losing a file. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sledAgentApi } from '../../src/api/sled-agent-api.ts';
import { runTestCli } from '../../src/cli/run.fixture.ts';
import { type ArtifactHash, asGeneration } from '../../src/core/ids.ts';
import { createApiClient } from '../../src/http/client.ts';
import type { TestSled } from '../fleet-members.fixture.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf } from '../fleet-state.fixture.ts';
import { environmentOf } from './follow.ts';
import { expectOnDisk, startSituation, untilOnDisk } from './situation.ts';

test('a sled far above the database is never followed; after a reset it follows at once, and its old config is given up by name (P13, G8)', async () => {
  await using situation = await startSituation({ sleds: 3 });
  const { fleet, release, makeRelease } = situation;
  const [, , stray] = fleet.sleds as [TestSled, TestSled, TestSled];
  const foreign = await makeRelease('9.9.9');
  const recover = (...args: string[]) =>
    runTestCli(['recover', 'generation', ...args], { environment: environmentOf(situation) });
  const reset = (...args: string[]) =>
    runTestCli(['sled-agent', 'reset', '--config', join(fleet.directory, 'sled-3', 'config.toml'), ...args]);
  const untilStatus = (shown: RegExp) =>
    until(async () => {
      const { out } = await runTestCli(['status'], { environment: environmentOf(situation) });
      return shown.test(out);
    }, `the status shows ${shown}`);
  const clientOf = (sled: TestSled) =>
    createApiClient(sledAgentApi, { baseUrl: `http://${sled.agentAddress()}` });

  const far = asGeneration(2 ** 40);
  {
    await using agent = clientOf(stray);
    const { generation, config_digest } = await agent.artifactList({}, wait);
    const succeeds = { generation, config_digest: config_digest! };
    const artifacts = hashesOf(foreign) as ArtifactHash[];
    await agent.artifactConfigPut({ body: { generation: far, artifacts, succeeds } }, wait);
    for (const { sha256, bytes } of foreign.artifacts) {
      const url = `http://${stray.agentAddress()}/artifacts/${sha256}?generation=${far}`;
      expect((await fetch(url, { method: 'PUT', body: Buffer.from(bytes) })).status).toBe(200);
    }
  }
  await untilOnDisk([stray], foreign);
  const looked = await recover();
  expect(looked.out).toMatch(/^There is nothing to recover/);
  expect(looked.out).toMatch(/sled-3 +unbelievable .*Reset it on its machine/);

  expect(await reset(), 'while the agent runs').toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('[IN_USE_BY_PROCESS]'),
  });
  await stray.stop();
  expect(await reset()).toMatchObject({ exitCode: 0, out: expect.stringContaining(`${far}:`) });
  await stray.start();
  // It takes the database's config and its files, and still holds what its old config lists.
  await untilOnDisk([stray], release, foreign);
  await using agent = clientOf(stray);
  expect((await agent.artifactList({}, wait)).generation).toBeLessThan(far);

  await untilStatus(/Sled sled-3 keeps .*\[SLED_KEEPS_POINTS\]/);

  await stray.stop();
  expect(await reset('--give-up', `${far}:`)).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining('Given up:'),
  });
  expect(await artifactsOnDisk(stray.datasets[0]!), 'the reset deletes nothing').toEqual(
    hashesOf(release, foreign),
  );
  await stray.start();
  await untilOnDisk(fleet.sleds, release);
  await untilStatus(/^verdict: +ok$/m);
  await expectOnDisk(fleet.sleds, release);
}, 240_000);
