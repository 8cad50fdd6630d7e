/** Something happens to releases, to a Nexus or to the database: what the pages of docs/operations.md say, step by step. */
import { describe, expect, test } from 'vitest';
import type { TestNexus, TestSled } from '../fleet-members.fixture.ts';
import { wait } from '../fleet-process.fixture.ts';
import { hashesOf } from '../fleet-state.fixture.ts';
import { follow } from './follow.ts';
import {
  emptyDirectory,
  expectOnDisk,
  startSituation,
  untilDropped,
  untilHeadTold,
  untilOnDisk,
  uploadAndLetGo,
} from './situation.ts';
import { keepBackup, restoreBackup } from './yesterday.ts';

const TIMEOUT_MS = 240_000;

describe.concurrent('recoveries of releases', () => {
  test(
    'every copy of a release is lost; the same archive brings it back, as the page says (S13, P3)',
    async () => {
      await using situation = await startSituation({ sleds: 3 });
      const { fleet, nexus, release } = situation;
      const silent = fleet.sleds[2]!;
      await Promise.all(fleet.sleds.map(sled => sled.stop()));
      for (const dataset of fleet.sleds.flatMap(sled => sled.datasets)) await emptyDirectory(dataset);
      await Promise.all(fleet.sleds.map(sled => sled !== silent && sled.start()));

      await follow('A release has failed', {
        ...situation,
        names: { BRM42220031: silent.serial },
        elsewhere: { 'BRM42220031$ systemctl start tuf-depot-sled-agent': silent.start },
      });

      await expectOnDisk(fleet.sleds, release);
      await untilDropped(nexus);
    },
    TIMEOUT_MS,
  );

  test(
    'a Nexus is lost with the only copy of a release; it is given up and the release uploaded again, as the page says (P8, S23)',
    async () => {
      await using situation = await startSituation({ sleds: 3, nexuses: 2 });
      const { fleet, release, makeRelease } = situation;
      const [, lost] = fleet.nexuses as [TestNexus, TestNexus];
      const only = await makeRelease('1.3.0');
      await Promise.all(fleet.sleds.map(sled => sled.stop()));
      await lost.upload(only);
      await lost.kill();
      await emptyDirectory(lost.stagingDirectory);
      await Promise.all(fleet.sleds.map(sled => sled.start()));
      const [{ id } = { id: '' }] = await fleet.database.query<{ id: string }>(
        // Three heartbeats are missed, and nobody has to wait for it.
        `UPDATE nexus SET time_heartbeat = time_heartbeat - interval '1 minute'
         WHERE operator_address = $1 RETURNING id`,
        [lost.operatorAddress()],
      );

      await follow('A Nexus is lost', { ...situation, names: { 'NEXUS-ID': id } });

      await expectOnDisk(fleet.sleds, release, only);
    },
    TIMEOUT_MS,
  );

  test(
    'the database is restored from yesterday; what it lost is brought back, and then sleds follow it again, as the page says (P13)',
    async () => {
      await using situation = await startSituation({ sleds: 3 });
      const { fleet, nexus, release, makeRelease } = situation;
      const [, , late] = fleet.sleds as [TestSled, TestSled, TestSled];
      const [deleted, lost, staged] = await Promise.all(['1.1.0', '1.3.0', '1.4.0'].map(makeRelease));
      await uploadAndLetGo(nexus, deleted!);
      await keepBackup(fleet.database);
      await nexus.update.repositoryDelete({ params: { system_version: '1.1.0' } }, wait);
      await uploadAndLetGo(nexus, lost!);
      await untilOnDisk(fleet.sleds, release, lost!);
      await untilHeadTold(nexus, fleet.database);
      // Too few sleds for its archive to be let go.
      await late.stop();
      await fleet.sleds[1]!.stop();
      await nexus.upload(staged!);
      await untilOnDisk([fleet.sleds[0]!], release, lost!, staged!);

      await follow('The database was restored from yesterday', {
        ...situation,
        elsewhere: {
          'nexus$ systemctl stop tuf-depot-nexus': nexus.stop,
          'nexus$ pg_restore --clean --if-exists --dbname tuf_depot yesterday.dump': () =>
            restoreBackup(fleet.database),
          'nexus$ systemctl start tuf-depot-nexus': async () => {
            await nexus.start();
            for (const sled of fleet.sleds) if (!sled.isRunning()) await sled.start();
          },
          'nexus$ systemctl restart tuf-depot-nexus': async () => {
            await nexus.stop();
            await nexus.start();
          },
        },
      });

      await expectOnDisk(fleet.sleds, release, lost!, staged!);
      await untilDropped(nexus);
      const sleds = (await nexus.fleet.sledList({ query: {} }, wait)).items;
      // Of the time when 1.1.0 was deleted: nothing else ever was.
      const gone = hashesOf(deleted!).filter(hash => !hashesOf(release).includes(hash)).length;
      expect(sleds.map(({ deletions_total }) => deletions_total)).toEqual([gone, 0, 0]);
    },
    TIMEOUT_MS,
  );
});
