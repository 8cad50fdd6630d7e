import type { NexusId } from '../../../../core/ids.ts';
import { databaseNow } from '../../database-time.ts';
import { heartbeatAgeMs } from '../../decisions/nexus-life.ts';
import { ifGiven } from '../../optional-clause.ts';
import { collect, readInBatches } from '../../paging.ts';
import type { NexusPort, NexusRecord } from '../../ports/nexus-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';

export const nexusList =
  (transactions: Transactions): NexusPort['nexusList'] =>
  wait =>
    transactions.read('nexus_list', async db => (await collect(readNexuses(db))).map(toNexusRecord), wait);

const readNexuses = (db: Database) =>
  readInBatches(
    (after: NexusId | undefined, limit) =>
      db
        .selectFrom('nexus')
        .selectAll()
        .select(databaseNow.as('now_ms'))
        .select(nexus =>
          nexus
            .selectFrom('local_repo')
            .whereRef('local_repo.nexus_id', '=', 'nexus.id')
            .select(count => count.fn.countAll<number>().as('local_repos'))
            .as('local_repos'),
        )
        .$call(ifGiven(after, (query, last) => query.where('id', '>', last)))
        .orderBy('id')
        .limit(limit)
        .execute(),
    row => row.id,
  );

type Row = ReturnType<typeof readNexuses> extends AsyncGenerator<infer R> ? R : never;

const toNexusRecord = (row: Row): NexusRecord => ({
  id: row.id,
  policy: row.policy,
  timeExpungedMs: row.time_expunged ?? undefined,
  operatorAddress: row.operator_address,
  timeStartedMs: row.time_started,
  timeHeartbeatMs: row.time_heartbeat,
  heartbeatAgeMs: heartbeatAgeMs(row.now_ms, row.time_heartbeat),
  localRepos: row.local_repos ?? 0,
});
