/** Something happens to a sled: what the pages of docs/operations.md say, step by step. */
import { describe, expect, test } from 'vitest';
import { sledAgentApi } from '../../src/api/sled-agent-api.ts';
import { asGeneration } from '../../src/core/ids.ts';
import { createApiClient } from '../../src/http/client.ts';
import { approveSled, makeSled, type TestSled } from '../fleet-members.fixture.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import { follow } from './follow.ts';
import { emptyDirectory, expectOnDisk, startSituation, untilOnDisk } from './situation.ts';

const TIMEOUT_MS = 240_000;

describe.concurrent('recoveries of sleds', () => {
  test(
    'a sled comes from another fleet with a config that the database does not know, and is brought back as the page says (P13)',
    async () => {
      await using situation = await startSituation({ sleds: 3 });
      const { fleet, release, makeRelease } = situation;
      const [, , stray] = fleet.sleds as [TestSled, TestSled, TestSled];
      const foreign = await makeRelease('9.9.9');
      await using agent = createApiClient(sledAgentApi, { baseUrl: `http://${stray.agentAddress()}` });
      const generation = asGeneration(41);
      const { generation: held, config_digest } = await agent.artifactList({}, wait);
      const succeeds = { generation: held, config_digest: config_digest! };
      const artifacts = foreign.artifacts.map(({ sha256 }) => sha256);
      await agent.artifactConfigPut({ body: { generation, artifacts, succeeds } }, wait);
      const { config_digest: digest } = await agent.artifactList({}, wait);
      for (const { sha256, bytes } of foreign.artifacts) {
        const url = `http://${stray.agentAddress()}/artifacts/${sha256}?generation=${generation}`;
        expect((await fetch(url, { method: 'PUT', body: Buffer.from(bytes) })).status).toBe(200);
      }
      await untilOnDisk([stray], foreign);

      await follow('A sled has diverged', {
        ...situation,
        names: { BRM42220031: stray.serial, '41:0a1b2c3d4e5f': `41:${digest!.slice(0, 12)}` },
      });

      await untilOnDisk(fleet.sleds, release);
      expect(await agent.artifactList({}, wait)).toMatchObject({ generation: 42 });
    },
    TIMEOUT_MS,
  );

  test(
    'a sled is replaced by another machine, and one by a machine of the same id, as the page says (S23, S24)',
    async () => {
      await using situation = await startSituation({ sleds: 3 });
      await using undo = new AsyncDisposableStack();
      const { fleet, nexus, release } = situation;
      const [kept, again, broken] = fleet.sleds as [TestSled, TestSled, TestSled];
      const newcomer = makeSled(fleet.directory, 4, [nexus.internalAddress()]);
      undo.defer(newcomer.stop);
      await approveSled(nexus, 4);
      await broken.kill();

      await follow('A sled is replaced by another machine', {
        ...situation,
        names: { BRM42220031: broken.serial, BRM42220099: newcomer.serial, BRM42220050: again.serial },
        elsewhere: {
          'BRM42220099$ systemctl start tuf-depot-sled-agent': newcomer.start,
          'BRM42220050$ systemctl stop tuf-depot-sled-agent': again.stop,
          'BRM42220050$ systemctl start tuf-depot-sled-agent': async () => {
            for (const dataset of again.datasets) await emptyDirectory(dataset);
            await again.start();
          },
        },
      });

      await expectOnDisk([kept, again, newcomer], release);
      await broken.start();
      await until(
        async () => (await broken.log()).includes('SLED_DECOMMISSIONED'),
        'the old machine is refused',
      );
      await expectOnDisk([broken], release);
    },
    TIMEOUT_MS,
  );

  test(
    'a disk of a sled is replaced by an empty one, and filled again from the other sleds, as the page says (P5, B9)',
    async () => {
      await using situation = await startSituation({ sleds: 3 });
      const { fleet, release } = situation;
      const [sled] = fleet.sleds as [TestSled];
      const [disk, other] = sled.datasets as [string, string];
      await emptyDirectory(disk);

      await follow('A disk of a sled is replaced', {
        ...situation,
        names: { BRM42220031: sled.serial, '/data/m2-a': disk, '/data/m2-b': other },
        elsewhere: {
          'BRM42220031$ systemctl stop tuf-depot-sled-agent': sled.stop,
          'BRM42220031$ systemctl start tuf-depot-sled-agent': async () => {
            await emptyDirectory(disk);
            await sled.start();
          },
          "BRM42220031$ journalctl -u tuf-depot-sled-agent | grep 'floor accepted'": async () =>
            (await sled.log())
              .split('\n')
              .filter(line => line.includes('floor accepted'))
              .join('\n'),
        },
      });

      await expectOnDisk([sled], release);
    },
    TIMEOUT_MS,
  );
});
