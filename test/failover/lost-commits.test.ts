/**
 * Asynchronous replication: the database loses acknowledged uploads in a failover, and then goes past the sleds.
 *
 * k lost commits and k + 1 changes make the generation of the database higher than the sleds' again. Numbers alone
 * cannot tell that its wanted set does not succeed theirs.
 */
import { expect, test } from 'vitest';
import { readWanted } from '../fleet-audit.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import {
  expectKeptForRounds,
  expectOnDisk,
  reasonsOf,
  restartNexuses,
  startFailoverFleet,
  untilAllDiverged,
  untilConverged,
  untilOnSledsAlone,
  uploadAll,
} from './failover-fleet.fixture.ts';
import { recover } from './recovery.fixture.ts';

test('four acknowledged releases that a failover lost stay on every sled, whatever is uploaded and deleted afterwards, until they are recovered (P13)', async () => {
  await using failed = await startFailoverFleet({ synchronous: false });
  const { fleet, pair, nexuses, makeReleases } = failed;
  const before = await makeReleases('1.0.0', '1.1.0');
  const lost = await makeReleases('2.0.0', '2.1.0', '2.2.0', '2.3.0');
  const after = await makeReleases('3.0.0', '3.1.0', '3.2.0', '3.3.0', '3.4.0');
  await nexuses[0].trust(before[0]!);
  await uploadAll(failed, before);
  await untilOnSledsAlone(failed, before);
  for (const nexus of nexuses) expect(await reasonsOf(nexus, 'DATABASE_MAY_LOSE_COMMITS')).toHaveLength(1);

  await pair.pauseReplication();
  await uploadAll(failed, lost);
  await untilOnSledsAlone(failed, [...before, ...lost]);
  const acknowledged = await readWanted(fleet);
  await pair.primary().kill();
  await pair.failOver();
  expect((await readWanted(fleet)).generation).toBe(acknowledged.generation - lost.length);
  await untilAllDiverged(failed);

  await uploadAll(failed, after);
  await nexuses[1].update.repositoryDelete({ params: { system_version: '1.1.0' } }, wait);
  expect((await readWanted(fleet)).generation).toBeGreaterThan(acknowledged.generation);
  await expectKeptForRounds(failed, [before[0]!, ...lost]);
  await untilAllDiverged(failed);

  const [again, givenUp] = [lost.slice(0, 2), lost.slice(2)];
  await recover(failed.operator, { again, givenUp, deleted: [before[1]!], present: [before[0]!, ...after] });
  // Looked at once an hour.
  await untilConverged(fleet, 'DATABASE_MAY_LOSE_COMMITS');
  await expectOnDisk(failed, [before[0]!, ...again, ...after]);
});

test('lost releases whose archives are still held are recorded again, and the sleds follow by themselves: their set is part of the new one (P4, P13)', async () => {
  await using failed = await startFailoverFleet({ synchronous: false });
  const { fleet, pair, nexuses, sleds, makeReleases } = failed;
  const before = await makeReleases('1.0.0');
  const lost = await makeReleases('2.0.0', '2.1.0');
  const after = await makeReleases('3.0.0');
  await nexuses[0].trust(before[0]!);
  await uploadAll(failed, before);
  await untilOnSledsAlone(failed, before);
  // Too few sleds are left for an archive to be dropped.
  const [late, ...reached] = sleds;
  await late!.stop();

  await pair.pauseReplication();
  await uploadAll(failed, lost);
  await until(async () => {
    await expectOnDisk({ sleds: reached }, [...before, ...lost]);
    return true;
  }, 'two sleds hold the releases');
  await pair.primary().kill();
  await pair.failOver();
  await until(async () => Boolean(await nexuses[1].upload(after[0]!)), 'another release is uploaded');

  const all = [...before, ...lost, ...after];
  await until(
    async () => (await readWanted(fleet)).versions.length === all.length,
    'the lost ones are present',
  );
  await late!.start();
  await restartNexuses(failed);
  await untilConverged(fleet);
  await expectOnDisk(failed, all);
});
