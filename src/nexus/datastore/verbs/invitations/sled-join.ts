import { sql } from 'kysely';
import { readDatabaseMs } from '../../database-time.ts';
import { decideJoin, type JoinDecision, requireNotExpunged } from '../../decisions/join.ts';
import { revokesByJoin } from '../../decisions/revoke.ts';
import type {
  InvitationPort,
  InvitationRecord,
  JoinRequest,
  SledKeyRecord,
} from '../../ports/invitation-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { readRevocationMs, revoke } from '../revocations/revocation-rows.ts';
import { readRegisteredWith } from '../sleds/key-rows.ts';
import { changePolicy, readPolicy } from '../sleds/policy-rows.ts';
import { readKey, toInvitationRecord } from './invitation-rows.ts';

export const sledJoin =
  (transactions: Transactions): InvitationPort['sledJoin'] =>
  (request, { audit, signal }) =>
    transactions.write(
      'sled_join',
      async (db, attempt) => {
        const facts = await readFacts(db, request);
        const { kind, sledId, invitation } = decideJoin(request, facts);
        requireNotExpunged(sledId, await readPolicy(db, sledId));
        const { id: invitationId, replacesSledId, serial } = invitation;
        const { publicKeySha256 } = request;
        await burn(db, invitation, kind, publicKeySha256);
        const identity = { kind: 'sled', id: sledId } as const;
        const answerNow = async () => ({
          sledId,
          invitationId,
          revokedMs: await readRevocationMs(db, identity),
          nowMs: facts.nowMs,
        });
        if (kind === 'repeat') {
          // An earlier attempt may have expunged it.
          const expunged = attempt.repeated ? (replacesSledId ?? undefined) : undefined;
          return { ...(await answerNow()), isRepeat: !attempt.repeated, expunged };
        }
        await recordKey(db, { sledId, publicKeySha256, serial });
        if (revokesByJoin(invitation, facts.key)) await revoke(db, identity);
        const expunged =
          replacesSledId !== null && (await readPolicy(db, replacesSledId)) === 'in_service'
            ? replacesSledId
            : undefined;
        if (expunged !== undefined)
          await changePolicy(db, { id: expunged, policy: 'in_service' }, 'expunged');
        await appendAudit(
          db,
          audit,
          {
            ...{ kind: 'sled_joined', sledId, invitationId, publicKeySha256 },
            ...(expunged !== undefined && { expungedSledId: expunged }),
          },
          attempt,
        );
        return { ...(await answerNow()), isRepeat: false, expunged };
      },
      { signal },
    );

const readFacts = async (
  db: Database,
  { sha256, publicKeySha256 }: JoinRequest,
): Promise<Parameters<typeof decideJoin>[1]> => {
  const nowMs = await readDatabaseMs(db);
  const row = await db
    .selectFrom('sled_invitation')
    .selectAll()
    .where('sha256', '=', sha256)
    .executeTakeFirst();
  const invitation = row && toInvitationRecord(row);
  return {
    invitation,
    key: await readKey(db, publicKeySha256),
    registered: await readRegisteredWith(db, publicKeySha256),
    user: await readKey(db, invitation?.used?.publicKeySha256),
    nowMs,
  };
};

/** A repeat writes too, so that a synchronous standby has what it answers (P4). */
const burn = async (
  db: Database,
  { id }: InvitationRecord,
  kind: JoinDecision['kind'],
  publicKeySha256: string,
): Promise<void> => {
  await db
    .updateTable('sled_invitation')
    .set({
      public_key_sha256: publicKeySha256,
      ...(kind === 'first' && { time_used: sql<Date>`now()` }),
    })
    .where('id', '=', id)
    .execute();
};

/** JD2, JD5. */
const recordKey = async (
  db: Database,
  { sledId, publicKeySha256, serial }: Pick<SledKeyRecord, 'sledId' | 'publicKeySha256' | 'serial'>,
): Promise<void> => {
  await db
    .updateTable('sled_key')
    .set({ time_replaced: sql<Date>`now()` })
    .where('sled_id', '=', sledId)
    .where('public_key_sha256', '!=', publicKeySha256)
    .where('time_replaced', 'is', null)
    .execute();
  const joined = {
    ...{ sled_id: sledId, serial },
    ...{ time_joined: sql<Date>`now()`, time_replaced: null, time_expunged: null },
  };
  await db
    .insertInto('sled_key')
    .values({ public_key_sha256: publicKeySha256, ...joined })
    .onConflict(conflict => conflict.column('public_key_sha256').doUpdateSet(joined))
    .execute();
};
