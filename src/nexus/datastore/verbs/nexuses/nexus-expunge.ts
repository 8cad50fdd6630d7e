import { sql } from 'kysely';
import type { NexusId } from '../../../../core/ids.ts';
import { databaseNow } from '../../database-time.ts';
import { decideExpunge, heartbeatAgeMs } from '../../decisions/nexus-life.ts';
import type { NexusPort } from '../../ports/nexus-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { revoke } from '../revocations/revocation-rows.ts';

export const nexusExpunge =
  (transactions: Transactions): NexusPort['nexusExpunge'] =>
  (id, rule, { audit, signal }) =>
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
        const isKnown = row !== undefined;
        const decision = decideExpunge(id, nexus, {
          rule,
          hasJoined: !isKnown && (await hasJoined(db, id)),
        });
        if (decision === 'expunged') return;
        if (isKnown)
          await db
            .updateTable('nexus')
            .set({ policy: 'expunged', time_expunged: sql<Date>`now()` })
            .where('id', '=', id)
            .execute();
        else await insertExpunged(db, id);
        await revoke(db, { kind: 'nexus', id });
        const operatorAddress = row?.operator_address ?? '';
        await appendAudit(
          db,
          audit,
          { kind: 'nexus_expunged', expungedNexusId: id, operatorAddress },
          attempt,
        );
      },
      { signal },
    );

/** By an invitation. */
const hasJoined = async (db: Database, id: NexusId): Promise<boolean> => {
  const used = await db
    .selectFrom('nexus_invitation')
    .select('id')
    .where('nexus_id', '=', id)
    .where('time_used', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return used !== undefined;
};

/** NJ3: a row is made for one that the database does not know, so that it is expunged when it comes. */
const insertExpunged = async (db: Database, id: NexusId): Promise<void> => {
  await db
    .insertInto('nexus')
    .values({
      ...{ id, policy: 'expunged', operator_address: '' },
      time_started: sql<Date>`now()`,
      time_expunged: sql<Date>`now()`,
    })
    .execute();
};
