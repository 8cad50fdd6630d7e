import type { Datastore } from '../datastore.ts';
import { heartbeatAgeMs } from '../heartbeat.ts';
import type { Transactions } from '../transactions.ts';

export const nexusList =
  (transactions: Transactions): Datastore['nexusList'] =>
  wait =>
    transactions.read(
      'nexus_list',
      async db => {
        const rows = await db
          .selectFrom('nexus')
          .selectAll()
          .select(heartbeatAgeMs.as('age_ms'))
          .select(nexus =>
            nexus
              .selectFrom('local_repo')
              .whereRef('local_repo.nexus_id', '=', 'nexus.id')
              .select(count => count.fn.countAll<number>().as('local_repos'))
              .as('local_repos'),
          )
          .orderBy('id')
          .execute();
        return rows.map(row => ({
          id: row.id,
          policy: row.policy,
          operatorAddress: row.operator_address,
          timeStartedMs: row.time_started,
          timeHeartbeatMs: row.time_heartbeat,
          heartbeatAgeMs: row.age_ms,
          localRepos: row.local_repos ?? 0,
        }));
      },
      wait,
    );
