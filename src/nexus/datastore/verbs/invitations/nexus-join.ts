import { sql } from 'kysely';
import { readDatabaseMs } from '../../database-time.ts';
import { decideNexusJoin, type NexusJoinFacts } from '../../decisions/nexus-join.ts';
import type { NexusInvitationPort } from '../../ports/nexus-invitation-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { readRevocationMs, revoke } from '../revocations/revocation-rows.ts';
import { readNexusPolicy, toNexusInvitation } from './nexus-invitation-rows.ts';

export const nexusJoin =
  (transactions: Transactions): NexusInvitationPort['nexusJoin'] =>
  (request, { audit, signal }) =>
    transactions.write(
      'nexus_join',
      async (db, attempt) => {
        const { sha256, publicKeySha256 } = request;
        const facts = await readFacts(db, sha256);
        const { kind, invitation, revokes } = decideNexusJoin(request, facts);
        const { id: invitationId, nexusId } = invitation;
        const identity = { kind: 'nexus', id: nexusId } as const;
        // A repeat writes too, so that a synchronous standby has what it answers (P4).
        await db
          .updateTable('nexus_invitation')
          .set({
            public_key_sha256: publicKeySha256,
            ...(kind === 'first' && { time_used: sql<Date>`now()` }),
          })
          .where('id', '=', invitationId)
          .execute();
        if (revokes) await revoke(db, identity);
        if (kind === 'first')
          await appendAudit(
            db,
            audit,
            { kind: 'nexus_joined', joinedNexusId: nexusId, invitationId, publicKeySha256 },
            attempt,
          );
        return {
          ...{ nexusId, invitationId, isRepeat: kind === 'repeat' && !attempt.repeated },
          revokedMs: await readRevocationMs(db, identity),
          nowMs: facts.nowMs,
        };
      },
      { signal },
    );

const readFacts = async (db: Database, sha256: string): Promise<NexusJoinFacts> => {
  const nowMs = await readDatabaseMs(db);
  const row = await db
    .selectFrom('nexus_invitation')
    .selectAll()
    .where('sha256', '=', sha256)
    .executeTakeFirst();
  if (row === undefined)
    return { invitation: undefined, policy: undefined, uses: [], revokedMs: null, nowMs };
  const used = await db
    .selectFrom('nexus_invitation')
    .selectAll()
    .where('nexus_id', '=', row.nexus_id)
    .where('time_used', 'is not', null)
    .execute();
  return {
    invitation: toNexusInvitation(row),
    policy: await readNexusPolicy(db, row.nexus_id),
    uses: used.flatMap(each => toNexusInvitation(each).used ?? []),
    revokedMs: await readRevocationMs(db, { kind: 'nexus', id: row.nexus_id }),
    nowMs,
  };
};
