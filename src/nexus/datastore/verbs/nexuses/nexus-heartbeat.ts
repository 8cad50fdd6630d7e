import { sql } from 'kysely';
import type { NexusPort } from '../../ports/nexus-port.ts';
import type { Transactions } from '../../transactions.ts';

export const nexusHeartbeat =
  (transactions: Transactions): NexusPort['nexusHeartbeat'] =>
  ({ id, operatorAddress, timeStartedMs }, wait) =>
    transactions.write(
      'nexus_heartbeat',
      db => {
        const seen = {
          operator_address: operatorAddress,
          time_started: new Date(timeStartedMs),
          time_heartbeat: sql<Date>`now()`,
        };
        return db
          .insertInto('nexus')
          .values({ id, ...seen })
          .onConflict(conflict => conflict.column('id').doUpdateSet(seen))
          .returning('policy')
          .executeTakeFirstOrThrow();
      },
      wait,
    );
