/**
 * Synchronous replication: whatever happens to the primary while two Nexuses upload, delete and replicate, nothing that
 * was acknowledged is lost, and the fleet converges.
 */
import { test } from 'vitest';
import { until } from '../fleet-process.fixture.ts';
import { startFailoverFleet } from './failover-fleet.fixture.ts';
import { bounded, type Fault } from './faults.fixture.ts';
import type { PostgresPair } from './postgres-pair.fixture.ts';
import { startWorkload } from './workload.fixture.ts';

const SYNCHRONOUS_WAITS = `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;

const untilCommitWaits = (pair: PostgresPair): Promise<void> =>
  until(
    async () => (await pair.primary().query(SYNCHRONOUS_WAITS)).length > 0,
    'a commit waits for the standby',
  );

const faults: readonly Fault[] = [
  {
    what: 'the primary is killed and the standby promoted',
    async happens(pair, workload) {
      await pair.primary().kill();
      await pair.failOver();
      await workload.untilDoneAtEach(3);
      await pair.rebuildStandby();
    },
  },
  {
    what: 'the standby is cut off, commits wait, and it comes back',
    async happens(pair, workload) {
      pair.replication.setRefusing(true);
      await untilCommitWaits(pair);
      await workload.untilAllWait();
      await pair.resumeReplication();
    },
  },
  {
    what: 'the standby is cut off, commits wait, and the primary is killed: the standby is promoted without them',
    async happens(pair, workload) {
      pair.replication.setRefusing(true);
      await untilCommitWaits(pair);
      await workload.untilAllWait();
      await pair.primary().kill();
      await pair.failOver();
      await workload.untilDoneAtEach(3);
      await pair.rebuildStandby();
    },
  },
  {
    what: 'the primary is frozen and goes on',
    async happens(pair, workload) {
      await pair.primary().freeze();
      await workload.untilAllWait();
      await pair.primary().thaw();
    },
  },
  {
    what: 'the primary is frozen, and the standby promoted in its place',
    async happens(pair, workload) {
      await pair.primary().freeze();
      await workload.untilAllWait();
      await pair.failOver();
      await workload.untilDoneAtEach(3);
      await pair.rebuildStandby();
    },
  },
  {
    what: 'a frozen primary goes on after the standby was promoted, with the connections that it had',
    async happens(pair, workload) {
      const old = pair.primary();
      await old.freeze();
      await workload.untilAllWait();
      await pair.failOver('keep');
      await old.thaw();
      await workload.untilDoneAtEach(3);
      await pair.rebuildStandby();
    },
  },
  {
    what: 'primary and standby change places in order, twice',
    async happens(pair, workload) {
      await pair.switchOver();
      await workload.untilDoneAtEach(3);
      await pair.switchOver();
    },
  },
  {
    what: 'a pooler keeps its clients while the primary is killed and the standby promoted behind it',
    clientsThrough: 'pooler',
    async happens(pair, workload) {
      await pair.primary().kill();
      await pair.failOver();
      await workload.untilDoneAtEach(3);
      await pair.rebuildStandby();
    },
  },
  {
    what: 'the primary is killed and the standby promoted, and both Nexuses find it among two hosts',
    clientsThrough: 'hosts',
    async happens(pair, workload) {
      await pair.primary().kill();
      await pair.failOver();
      await workload.untilDoneAtEach(3);
      await pair.rebuildStandby();
    },
  },
  {
    what: 'primary and standby change places twice, and both Nexuses follow among two hosts',
    clientsThrough: 'hosts',
    async happens(pair, workload) {
      await pair.switchOver();
      await workload.untilDoneAtEach(3);
      await pair.switchOver();
    },
  },
  {
    what: 'the way to the primary is silent, and opens again',
    async happens(pair, workload) {
      pair.clients.setSilent(true);
      await workload.untilAllWait();
      pair.clients.setSilent(false);
    },
  },
];

for (const { what, clientsThrough = 'proxy', happens } of bounded(faults)) {
  test(`nothing acknowledged is lost when ${what}`, async () => {
    await using failed = await startFailoverFleet({ synchronous: true, clientsThrough });
    await using workload = await startWorkload(failed);
    await workload.untilDoneAtEach(3);
    await happens(failed.pair, workload);
    await workload.untilDoneAtEach(3);
    await workload.finish();
  });
}
