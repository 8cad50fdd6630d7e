/**
 * Asynchronous replication, with uploads at both Nexuses all the time: what the failover loses is on the sleds or in an
 * archive, it is named, and the recovery brings it back.
 */
import { expect, test } from 'vitest';
import { errorCodeOf } from '../../src/lib/errors.ts';
import type { TestRelease } from '../../src/release/test-release.ts';
import { readWanted } from '../fleet-audit.ts';
import { artifactsOnDisk, hashesOf, type TestNexus, until, wait } from '../process-fleet.fixture.ts';
import {
  expectKeptForRounds,
  type FailoverFleet,
  startFailoverFleet,
  untilAllDiverged,
  untilConverged,
  untilOnSledsAlone,
  uploadAll,
} from './failover-fleet.fixture.ts';
import type { PairOptions } from './postgres-pair.fixture.ts';
import { recover } from './recovery.fixture.ts';

type Uploads = {
  /** Answered 200, in this order. */
  readonly acknowledged: TestRelease[];
  /** Neither acknowledged nor certainly refused. */
  readonly uncertain: TestRelease[];
};

/** One client at each Nexus; what is not acknowledged is not tried again. */
const uploadAtBoth = async (
  { nexuses }: FailoverFleet,
  releases: readonly TestRelease[],
  into: Uploads,
): Promise<void> => {
  const left = [...releases];
  const client = async (nexus: TestNexus) => {
    for (let release = left.shift(); release !== undefined; release = left.shift()) {
      try {
        await nexus.upload(release);
        into.acknowledged.push(release);
      } catch (error) {
        if (errorCodeOf(error) !== 'DATABASE_UNAVAILABLE') into.uncertain.push(release);
      }
    }
  };
  await Promise.all(nexuses.map(client));
};

const versions = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}.${n}.0`);

const lostOf = async (
  { fleet }: FailoverFleet,
  acknowledged: readonly TestRelease[],
): Promise<TestRelease[]> => {
  const present = (await readWanted(fleet)).versions;
  return acknowledged.filter(({ systemVersion }) => !present.includes(systemVersion));
};

const untilDeletedOnDisk = ({ sleds }: FailoverFleet, hashes: readonly string[]): Promise<void> =>
  until(async () => {
    const held = (await Promise.all(sleds.flatMap(sled => sled.datasets).map(artifactsOnDisk))).flat();
    return hashes.every(hash => !held.includes(hash));
  }, 'the artifacts are deleted');

test.for(['proxy', 'pooler'] as const)(
  'uploads go on through a failover behind a %s that loses commits: each acknowledged release is kept and named, and the recovery brings it back',
  async (clientsThrough: NonNullable<PairOptions['clientsThrough']>) => {
    await using failed = await startFailoverFleet({ synchronous: false, clientsThrough });
    const { pair, fleet, nexuses, operator, makeReleases } = failed;
    const before = await makeReleases(...versions('1', 3));
    const [during, after] = [
      await makeReleases(...versions('2', 12)),
      await makeReleases(...versions('3', 12)),
    ];
    const [kept, , deleted] = before as [TestRelease, TestRelease, TestRelease];
    const ownOfDeleted = hashesOf(deleted).filter(hash => !hashesOf(kept).includes(hash));
    await nexuses[0].trust(kept);
    await uploadAll(failed, before);
    await untilOnSledsAlone(failed, before);

    await pair.pauseReplication();
    await nexuses[0].update.repositoryDelete({ params: { system_version: deleted.systemVersion } }, wait);
    await untilDeletedOnDisk(failed, ownOfDeleted);
    const onSleds = during.slice(0, 3);
    await uploadAll(failed, onSleds);
    await untilOnSledsAlone(failed, onSleds);
    const uploads: Uploads = { acknowledged: [...before.slice(0, 2), ...onSleds], uncertain: [] };
    const uploading = uploadAtBoth(failed, during.slice(3), uploads);
    await until(async () => uploads.acknowledged.length > 7, 'some uploads are acknowledged');
    await pair.primary().kill();
    await pair.failOver();
    await uploading;
    await uploadAtBoth(failed, after, uploads);
    await untilAllDiverged(failed);
    await expectKeptForRounds(failed, [...before.slice(0, 2), ...onSleds]);

    const lost = await lostOf(failed, uploads.acknowledged);
    expect(lost, 'what only the sleds have').toEqual(expect.arrayContaining(onSleds));
    const present = uploads.acknowledged.filter(release => !lost.includes(release));
    await recover(operator, { again: lost, givenUp: [], deleted: [], present });
    // It came back with the database that did not know of its deletion, and nobody has it any more.
    await nexuses[1].update.repositoryDelete({ params: { system_version: deleted.systemVersion } }, wait);
    // Ends the reasons of archives that were recorded again, as the page says.
    for (const nexus of nexuses) {
      await nexus.stop();
      await nexus.start();
    }
    await untilConverged(fleet);
    const maybe = uploads.uncertain.map(({ systemVersion }) => systemVersion);
    const found = (await readWanted(fleet)).versions.filter(version => !maybe.includes(version));
    expect(found).toEqual(uploads.acknowledged.map(({ systemVersion }) => systemVersion).sort());
  },
);
