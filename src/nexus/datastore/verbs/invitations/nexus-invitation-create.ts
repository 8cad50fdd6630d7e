import { sql } from 'kysely';
import { databaseNow } from '../../database-time.ts';
import { ENDED_INVITATIONS_KEPT_MS } from '../../decisions/join.ts';
import { requireInvitableNexus } from '../../decisions/nexus-join.ts';
import type { NexusInvitationPort } from '../../ports/nexus-invitation-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { readNexusPolicy, toNexusInvitation } from './nexus-invitation-rows.ts';

export const nexusInvitationCreate =
  (transactions: Transactions): NexusInvitationPort['nexusInvitationCreate'] =>
  (invitation, { audit, signal }) =>
    transactions.write(
      'nexus_invitation_create',
      async (db, attempt) => {
        const { id, sha256, nexusId, lifeMs } = invitation;
        const before = await db
          .selectFrom('nexus_invitation')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirst();
        if (before !== undefined) return toNexusInvitation(before);
        await removeForgotten(db);
        requireInvitableNexus(invitation, await readNexusPolicy(db, nexusId), await countOpen(db));
        const row = await db
          .insertInto('nexus_invitation')
          .values({
            ...{ id, sha256, nexus_id: nexusId },
            time_expires: sql<Date>`now() + ${lifeMs / 1000} * interval '1 second'`,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        const created = toNexusInvitation(row);
        await appendAudit(
          db,
          audit,
          {
            kind: 'nexus_invited',
            invitationId: id,
            invitedNexusId: nexusId,
            expiresMs: created.timeExpiresMs,
          },
          attempt,
        );
        return created;
      },
      { signal },
    );

/** NJ3. */
const removeForgotten = async (db: Database): Promise<void> => {
  await db
    .deleteFrom('nexus_invitation')
    .where('time_used', 'is', null)
    .where(
      'time_expires',
      '<',
      sql<number>`now() - ${ENDED_INVITATIONS_KEPT_MS / 1000} * interval '1 second'`,
    )
    .execute();
};

const countOpen = async (db: Database): Promise<number> => {
  const { open } = await db
    .selectFrom('nexus_invitation')
    .select(({ fn }) => fn.countAll<number>().as('open'))
    .where('time_used', 'is', null)
    .where('time_expires', '>', databaseNow)
    .executeTakeFirstOrThrow();
  return open;
};
