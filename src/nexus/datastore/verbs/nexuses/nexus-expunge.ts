import { sql } from 'kysely';
import { databaseNow } from '../../database-time.ts';
import { decideExpunge, heartbeatAgeMs } from '../../decisions/nexus-life.ts';
import type { NexusPort } from '../../ports/nexus-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { revoke } from '../revocations/revocation-rows.ts';

export const nexusExpunge =
  (transactions: Transactions): NexusPort['nexusExpunge'] =>
  (id, aliveMs, { audit, signal }) =>
    transactions.write(
      'nexus_expunge',
      async (db, attempt) => {
        const row = await db
          .selectFrom('nexus')
          .select(['policy', 'operator_address', 'time_heartbeat', databaseNow.as('now_ms')])
          .where('id', '=', id)
          .executeTakeFirst();
        const nexus = row && {
          policy: row.policy,
          heartbeatAgeMs: heartbeatAgeMs(row.now_ms, row.time_heartbeat),
        };
        if (decideExpunge(id, nexus, aliveMs) === 'expunged' || row === undefined) return;
        await db
          .updateTable('nexus')
          .set({ policy: 'expunged', time_expunged: sql<Date>`now()` })
          .where('id', '=', id)
          .execute();
        await revoke(db, { kind: 'nexus', id });
        const { operator_address: operatorAddress } = row;
        await appendAudit(
          db,
          audit,
          { kind: 'nexus_expunged', expungedNexusId: id, operatorAddress },
          attempt,
        );
      },
      { signal },
    );
