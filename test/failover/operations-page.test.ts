/**
 * Asynchronous replication: a failover loses a deletion and two uploads, and docs/operations.md is followed from the end
 * of the primary on, with the steps of the page that it refers to.
 */
import { expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/session/exit-code.ts';
import { wait } from '../fleet-process.fixture.ts';
import { follow } from '../recoveries/follow.ts';
import { untilHeadTold, untilOnDisk } from '../recoveries/situation.ts';
import {
  restartNexuses,
  startFailoverFleet,
  untilConverged,
  untilOnSledsAlone,
  uploadAll,
} from './failover-fleet.fixture.ts';

test('the database fails over and loses commits; what it lost is brought back, and then sleds follow it again, as the page says (P13)', async () => {
  await using failed = await startFailoverFleet({ synchronous: false });
  const { fleet, pair, nexuses, sleds, operator, directory, makeReleases } = failed;
  const [kept, deleted] = await makeReleases('1.2.0', '1.1.0');
  const [lost, staged] = await makeReleases('1.3.0', '1.4.0');
  const [waiting] = await makeReleases('1.5.0');
  await nexuses[0].trust(kept!);
  await uploadAll(failed, [kept!, deleted!]);
  await untilOnSledsAlone(failed, [kept!, deleted!]);

  await pair.pauseReplication();
  await nexuses[1].update.repositoryDelete({ params: { system_version: '1.1.0' } }, wait);
  await uploadAll(failed, [lost!]);
  await untilOnSledsAlone(failed, [lost!]);
  await untilOnDisk(sleds, kept!, lost!);
  await untilHeadTold(nexuses[1], pair.primary());
  // Too few sleds are left for its archive to be dropped.
  const [late, ...reached] = sleds;
  await late!.stop();
  await nexuses[1].upload(staged!);
  await untilOnDisk(reached, kept!, lost!, staged!);
  await pair.primary().kill();
  await late!.start();
  const upload = operator.run('repo', 'upload', waiting!.path);

  await follow('The database fails over', {
    fleet,
    nexus: nexuses[0],
    directory,
    names: { BRM42220031: late!.serial },
    elsewhere: {
      async 'old-primary$ systemctl stop postgresql'() {
        await pair.failOver();
        await pair.rebuildStandby('synchronous');
      },
      'nexus$ systemctl restart tuf-depot-nexus': () => restartNexuses(failed),
    },
  });

  const { exitCode, err } = await upload;
  expect(exitCode, err).toBe(exitCodes.ok);
  await untilOnDisk(sleds, kept!, lost!, staged!, waiting!);
  await untilConverged(fleet);
});
