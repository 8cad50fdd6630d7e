/** The sleds that have a key: one joined with it, or one registered with it, whoever issued its certificate. */
import type { SledId } from '../../../../core/ids.ts';
import type { Database } from '../../tables.ts';

/** RI3: also the one whose key another one replaced since. */
export const readKeyHolders = async (
  db: Database,
  publicKeySha256: string,
): Promise<readonly (SledId | undefined)[]> => {
  const joined = await db
    .selectFrom('sled_key')
    .select('sled_id')
    .where('public_key_sha256', '=', publicKeySha256)
    .executeTakeFirst();
  return [joined?.sled_id, await readRegisteredWith(db, publicKeySha256)];
};

/** RI5: null for any, also of a key that did not join. */
export const readSerialOfKey = async (
  db: Database,
  publicKeySha256: string | undefined,
): Promise<string | null> => {
  if (publicKeySha256 === undefined) return null;
  const row = await db
    .selectFrom('sled_key')
    .select('serial')
    .where('public_key_sha256', '=', publicKeySha256)
    .executeTakeFirst();
  return row?.serial ?? null;
};

export const readRegisteredWith = async (
  db: Database,
  publicKeySha256: string,
): Promise<SledId | undefined> => {
  const row = await db
    .selectFrom('sled')
    .select('id')
    .where('public_key_sha256', '=', publicKeySha256)
    .executeTakeFirst();
  return row?.id;
};
