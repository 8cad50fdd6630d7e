/** The approvals of sleds that speak plain HTTP. */
import type { SledId } from '../../../../core/ids.ts';
import type { Database } from '../../tables.ts';

export const readPlainAddress = async (db: Database, id: SledId): Promise<string | undefined> => {
  const row = await db
    .selectFrom('sled_plain_approval')
    .select('address')
    .where('sled_id', '=', id)
    .executeTakeFirst();
  return row?.address;
};

export const deletePlainApproval = async (db: Database, id: SledId): Promise<void> => {
  await db.deleteFrom('sled_plain_approval').where('sled_id', '=', id).execute();
};

/** Rows of sleds, each with the address at which it is approved as plain. */
export const selectSleds = (db: Database) =>
  db
    .selectFrom('sled')
    .leftJoin('sled_plain_approval', 'sled_plain_approval.sled_id', 'sled.id')
    .selectAll('sled')
    .select('sled_plain_approval.address as plain_address');
