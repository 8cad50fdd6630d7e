/**
 * Asynchronous replication, with uploads and deletions at both Nexuses all the time.
 *
 *     releases ─▶ commits that the standby lacks ─▶ clients, a fault, clients ─▶ more releases
 *       ─▶ what the database lost is named and kept ─▶ the commands of the page ─▶ all that was acknowledged is so
 *
 * AS1. What an old primary acknowledges after the promotion is lost by the database, like what it did before.
 * AS2. A switchover in order loses nothing, and leaves nothing to recover.
 */
import { expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/session/exit-code.ts';
import type { TestRelease } from '../../src/signing/release.fixture.ts';
import { readWanted } from '../fleet-audit.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import { activateReplication, artifactsOnDisk, hashesOf } from '../fleet-state.fixture.ts';
import {
  expectKeptForRounds,
  type FailoverFleet,
  restartNexuses,
  startFailoverFleet,
  untilAllDiverged,
  untilConverged,
  untilOnSledsAlone,
  uploadAll,
} from './failover-fleet.fixture.ts';
import { bounded, type Fault } from './faults.fixture.ts';
import type { PostgresServer } from './postgres-server.fixture.ts';
import { recover } from './recovery.fixture.ts';
import { startUploadingClients } from './uploading-clients.fixture.ts';

type AsynchronousFault = Fault & {
  /** Or the standby has everything. */
  readonly losesCommits: boolean;
};

const killed: Fault['happens'] = async pair => {
  await pair.primary().kill();
  await pair.failOver();
};

const faults: readonly AsynchronousFault[] = [
  { what: 'the primary is killed and the standby promoted', losesCommits: true, happens: killed },
  {
    what: 'a pooler keeps its clients while the primary is killed and the standby promoted behind it',
    losesCommits: true,
    clientsThrough: 'pooler',
    happens: killed,
  },
  {
    what: 'the primary is frozen, the standby promoted in its place, and the old primary ends later',
    losesCommits: true,
    async happens(pair, clients) {
      const old = pair.primary();
      await old.freeze();
      await clients.untilAllWait();
      await pair.failOver();
      await clients.untilDoneAtEach(3);
      await old.kill();
    },
  },
  {
    what: 'the standby is promoted beside a primary that goes on acknowledging until it is fenced',
    losesCommits: true,
    async happens(pair, clients) {
      const old = pair.primary();
      await pair.failOver('keep');
      await untilMoreUploaded(old, 4);
      await clients.untilDoneAtEach(3);
      await old.kill();
    },
  },
  {
    what: 'primary and standby change places in order, twice',
    losesCommits: false,
    async happens(pair, clients) {
      await pair.switchOver();
      await clients.untilDoneAtEach(3);
      await pair.switchOver();
    },
  },
];

/** AS1: by its own tables. */
const untilMoreUploaded = async (server: PostgresServer, more: number): Promise<void> => {
  const count = async () => (await server.query('SELECT 1 FROM tuf_repo')).length;
  const before = await count();
  await until(async () => (await count()) >= before + more, `${server.name} goes on acknowledging uploads`);
};

const versions = (major: number, count: number): string[] =>
  Array.from({ length: count }, (_, minor) => `${major}.${minor}.0`);

const named = (releases: readonly TestRelease[]): string[] =>
  releases.map(({ systemVersion }) => systemVersion).sort();

/** Whether the database lists them. */
const byListing = async ({ fleet }: FailoverFleet, releases: readonly TestRelease[]) => {
  const present = (await readWanted(fleet)).versions;
  const { listed = [], absent = [] } = Object.groupBy(releases, ({ systemVersion }) =>
    present.includes(systemVersion) ? 'listed' : 'absent',
  );
  return { listed, absent };
};

const untilDeletedOnDisk = ({ sleds }: FailoverFleet, hashes: readonly string[]): Promise<void> =>
  until(async () => {
    const held = (await Promise.all(sleds.flatMap(sled => sled.datasets).map(artifactsOnDisk))).flat();
    return hashes.every(hash => !held.includes(hash));
  }, 'the artifacts are deleted');

/** Sleds hold what the database lost; it is named and kept, and recovered by the commands of the page. */
const recoverLost = async (
  failed: FailoverFleet,
  uploaded: readonly TestRelease[],
  deleted: readonly TestRelease[],
): Promise<readonly TestRelease[]> => {
  await untilAllDiverged(failed);
  // Archives that are still held are recorded again.
  for (const nexus of failed.nexuses) await activateReplication(nexus);
  const { listed: present, absent: lost } = await byListing(failed, uploaded);
  await expectKeptForRounds(failed, lost);
  const { absent: gone } = await byListing(failed, deleted);
  await recover(failed.operator, { again: lost, givenUp: [], deleted: gone, present });
  return lost;
};

/** Refused, or forgotten by the database: they came back with it. */
const deleteAgain = async (failed: FailoverFleet, releases: readonly TestRelease[]): Promise<void> => {
  for (const { systemVersion } of (await byListing(failed, releases)).listed) {
    const { exitCode, err } = await failed.operator.run('repo', 'delete', systemVersion);
    expect(exitCode, err).toBe(exitCodes.ok);
  }
};

for (const { what, losesCommits, clientsThrough = 'proxy', happens } of bounded(faults)) {
  const then = losesCommits
    ? 'each acknowledged release is kept and named, and the recovery brings it back'
    : 'nothing is lost';
  test(`uploads and deletions go on when ${what}: ${then}`, async () => {
    await using failed = await startFailoverFleet({ synchronous: false, clientsThrough });
    const { fleet, pair, nexuses, makeReleases, makeSeries } = failed;
    const [kept, forgotten, ...doomed] = await makeReleases(...versions(1, 8));
    const onSleds = await makeReleases(...versions(2, 3));
    await nexuses[0].trust(kept!);
    await uploadAll(failed, [kept!, forgotten!, ...doomed]);
    await untilOnSledsAlone(failed, [kept!, forgotten!, ...doomed]);

    if (losesCommits) await pair.pauseReplication();
    const { systemVersion } = forgotten!;
    await nexuses[0].update.repositoryDelete({ params: { system_version: systemVersion } }, wait);
    const shared = hashesOf(kept!);
    await untilDeletedOnDisk(
      failed,
      hashesOf(forgotten!).filter(hash => !shared.includes(hash)),
    );
    await uploadAll(failed, onSleds);
    await untilOnSledsAlone(failed, onSleds);

    await using clients = startUploadingClients(failed, makeSeries(3));
    clients.deleteNext(doomed.slice(0, 2));
    await clients.untilDoneAtEach(2);
    clients.deleteNext(doomed.slice(2, 4));
    await happens(pair, clients);
    clients.deleteNext(doomed.slice(4, 6));
    await clients.untilDoneAtEach(3);
    await clients.finish();
    const after = await makeReleases(...versions(4, 6));
    await uploadAll(failed, after);

    const uploaded = [kept!, ...onSleds, ...clients.uploaded, ...after];
    if (losesCommits) {
      const lost = await recoverLost(failed, uploaded, [forgotten!, ...doomed]);
      expect(named(lost), 'what only the sleds have').toEqual(expect.arrayContaining(named(onSleds)));
    } else {
      expect(named((await byListing(failed, uploaded)).absent)).toEqual([]);
      expect(named((await byListing(failed, [forgotten!, ...clients.deleted])).listed)).toEqual([]);
    }
    await deleteAgain(failed, [forgotten!, ...doomed]);
    if (losesCommits) await restartNexuses(failed);
    // Looked at once an hour: the standby follows again.
    await untilConverged(fleet, ...(losesCommits ? [] : ['DATABASE_MAY_LOSE_COMMITS']));
    expect((await readWanted(fleet)).versions).toEqual(named(uploaded));
  });
}
