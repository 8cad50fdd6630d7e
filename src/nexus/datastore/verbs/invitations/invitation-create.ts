import { sql } from 'kysely';
import { databaseNow } from '../../database-time.ts';
import { ENDED_INVITATIONS_KEPT_MS, requireInvitable, requireNotRepeated } from '../../decisions/join.ts';
import type { InvitationPort, InvitationRecord, NewInvitation } from '../../ports/invitation-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { readPolicy } from '../sleds/policy-rows.ts';
import { readKey, toInvitationRecord } from './invitation-rows.ts';

export const invitationCreate =
  (transactions: Transactions): InvitationPort['invitationCreate'] =>
  (invitation, { audit, signal }) =>
    transactions.write(
      'invitation_create',
      async (db, attempt) => {
        const { id: invitationId, sledId, replacesSledId, keySha256, serial } = invitation;
        const before = await db
          .selectFrom('sled_invitation')
          .selectAll()
          .where('id', '=', invitationId)
          .executeTakeFirst();
        if (before !== undefined) return toInvitationRecord(before);
        await removeForgotten(db);
        await removeEarlier(db, invitation);
        const policies = {
          sled: await readPolicy(db, sledId),
          replaced: await readPolicy(db, replacesSledId),
        };
        requireInvitable(invitation, policies, await countOpen(db));
        if (keySha256 !== undefined)
          await db.deleteFrom('sled_key_denied').where('public_key_sha256', '=', keySha256).execute();
        const created = await insertInvitation(db, invitation);
        await appendAudit(
          db,
          audit,
          {
            ...{ kind: 'sled_invited', invitationId, expiresMs: created.timeExpiresMs },
            ...(sledId !== null && { sledId }),
            ...(replacesSledId !== null && { replacesSledId }),
            ...(keySha256 !== undefined && { publicKeySha256: keySha256 }),
            ...(serial !== null && { serial }),
          },
          attempt,
        );
        return created;
      },
      { signal },
    );

const removeForgotten = async (db: Database): Promise<void> => {
  const limit = sql<number>`now() - ${ENDED_INVITATIONS_KEPT_MS / 1000} * interval '1 second'`;
  await db
    .deleteFrom('sled_invitation')
    .where(row => row.or([row('time_expires', '<', limit), row('time_used', '<', limit)]))
    .execute();
};

/** Of the same key. */
const removeEarlier = async (db: Database, { sha256 }: NewInvitation): Promise<void> => {
  const row = await db
    .selectFrom('sled_invitation')
    .selectAll()
    .select(databaseNow.as('now_ms'))
    .where('sha256', '=', sha256)
    .executeTakeFirst();
  if (row === undefined) return;
  const earlier = toInvitationRecord(row);
  requireNotRepeated(earlier, await readKey(db, earlier.used?.publicKeySha256), row.now_ms);
  await db.deleteFrom('sled_invitation').where('id', '=', row.id).execute();
};

const countOpen = async (db: Database): Promise<number> => {
  const { open } = await db
    .selectFrom('sled_invitation')
    .select(({ fn }) => fn.countAll<number>().as('open'))
    .where('time_used', 'is', null)
    .where('time_expires', '>', databaseNow)
    .executeTakeFirstOrThrow();
  return open;
};

const insertInvitation = async (
  db: Database,
  { id, sha256, sledId, replacesSledId, serial, lifeMs }: NewInvitation,
): Promise<InvitationRecord> => {
  const row = await db
    .insertInto('sled_invitation')
    .values({
      ...{ id, sha256, sled_id: sledId, replaces_sled_id: replacesSledId, serial },
      time_expires: sql<Date>`now() + ${lifeMs / 1000} * interval '1 second'`,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return toInvitationRecord(row);
};
