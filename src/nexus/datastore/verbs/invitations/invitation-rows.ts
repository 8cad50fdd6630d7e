/** Rows of invitations, and of the keys of sleds that joined. */
import type { Selectable } from 'kysely';
import type { SledId } from '../../../../core/ids.ts';
import type { InvitationRecord, SledKeyRecord } from '../../ports/invitation-port.ts';
import type { Database, Tables } from '../../tables.ts';

export const toInvitationRecord = (row: Selectable<Tables['sled_invitation']>): InvitationRecord => ({
  id: row.id,
  sha256: row.sha256,
  sledId: row.sled_id,
  replacesSledId: row.replaces_sled_id,
  serial: row.serial,
  timeCreatedMs: row.time_created,
  timeExpiresMs: row.time_expires,
  used:
    row.time_used === null || row.public_key_sha256 === null
      ? null
      : { timeMs: row.time_used, publicKeySha256: row.public_key_sha256 },
});

export const readKey = async (
  db: Database,
  publicKeySha256: string | undefined,
): Promise<SledKeyRecord | undefined> => {
  if (publicKeySha256 === undefined) return undefined;
  const row = await db
    .selectFrom('sled_key')
    .selectAll()
    .where('public_key_sha256', '=', publicKeySha256)
    .executeTakeFirst();
  return row && toKeyRecord(row);
};

export const readCurrentKey = async (db: Database, sledId: SledId): Promise<SledKeyRecord | undefined> => {
  const row = await db
    .selectFrom('sled_key')
    .selectAll()
    .where('sled_id', '=', sledId)
    .where('time_replaced', 'is', null)
    .executeTakeFirst();
  return row && toKeyRecord(row);
};

const toKeyRecord = (row: Selectable<Tables['sled_key']>): SledKeyRecord => ({
  publicKeySha256: row.public_key_sha256,
  sledId: row.sled_id,
  timeJoinedMs: row.time_joined,
  timeReplacedMs: row.time_replaced,
  timeExpungedMs: row.time_expunged,
  serial: row.serial,
});
