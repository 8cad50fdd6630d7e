import { DepotError } from '../../../lib/errors.ts';
import type { Datastore } from '../datastore.ts';
import { heartbeatAgeMs } from '../heartbeat.ts';
import type { Transactions } from '../transactions.ts';

export const nexusExpunge =
  (transactions: Transactions): Datastore['nexusExpunge'] =>
  (id, aliveMs, wait) =>
    transactions.write(
      'nexus_expunge',
      async db => {
        const row = await db
          .selectFrom('nexus')
          .select(['policy', heartbeatAgeMs.as('age_ms')])
          .where('id', '=', id)
          .executeTakeFirst();
        if (row === undefined) throw new DepotError('NOT_FOUND', `there is no Nexus ${id}`);
        if (row.policy === 'expunged') return;
        if (row.age_ms < aliveMs) {
          throw new DepotError(
            'NEXUS_ALIVE',
            `Nexus ${id} was alive ${row.age_ms} ms ago: stop it first, and wait ${aliveMs} ms`,
            { detail: { heartbeat_age_ms: row.age_ms, alive_ms: aliveMs } },
          );
        }
        await db.updateTable('nexus').set({ policy: 'expunged' }).where('id', '=', id).execute();
      },
      wait,
    );
