/** Rows of invitations of Nexuses. */
import type { Selectable } from 'kysely';
import type { Policy } from '../../../../core/facts/event.ts';
import type { NexusId } from '../../../../core/ids.ts';
import type { NexusInvitationRecord } from '../../ports/nexus-invitation-port.ts';
import type { Database, Tables } from '../../tables.ts';

export const toNexusInvitation = (row: Selectable<Tables['nexus_invitation']>): NexusInvitationRecord => ({
  id: row.id,
  sha256: row.sha256,
  nexusId: row.nexus_id,
  timeCreatedMs: row.time_created,
  timeExpiresMs: row.time_expires,
  used:
    row.time_used === null || row.public_key_sha256 === null
      ? null
      : { timeMs: row.time_used, publicKeySha256: row.public_key_sha256 },
});

/** Undefined for a Nexus that has not reached the database. */
export const readNexusPolicy = async (db: Database, id: NexusId): Promise<Policy | undefined> => {
  const row = await db.selectFrom('nexus').select('policy').where('id', '=', id).executeTakeFirst();
  return row?.policy;
};
