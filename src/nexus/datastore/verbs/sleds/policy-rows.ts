/** The policy of a sled, in its row, and in that of its key from its join on, before it has registered. */
import { sql } from 'kysely';
import type { Policy } from '../../../../core/facts/event.ts';
import type { SledId } from '../../../../core/ids.ts';
import type { Database } from '../../tables.ts';
import { revoke } from '../revocations/revocation-rows.ts';

/** Undefined without an id, and for a sled that neither registered nor joined. */
export const readPolicy = async (db: Database, id: SledId | null): Promise<Policy | undefined> => {
  if (id === null) return undefined;
  const row = await db.selectFrom('sled').select('policy').where('id', '=', id).executeTakeFirst();
  return row?.policy ?? (await readJoinedPolicy(db, id));
};

/** As its key has it; undefined for a sled that did not join. */
export const readJoinedPolicy = async (db: Database, id: SledId): Promise<Policy | undefined> => {
  const key = await db
    .selectFrom('sled_key')
    .select('time_expunged')
    .where('sled_id', '=', id)
    .where('time_replaced', 'is', null)
    .executeTakeFirst();
  if (key === undefined) return undefined;
  return key.time_expunged === null ? 'in_service' : 'expunged';
};

/** A drop whose round counted the sled must not succeed once it is expunged: no drop in flight finds its nonce (S23, G4). */
export const changePolicy = async (
  db: Database,
  { id, policy: before }: { readonly id: SledId; readonly policy: Policy },
  policy: Policy,
): Promise<void> => {
  const time_expunged = policy === 'expunged' ? sql<Date>`now()` : null;
  if (before !== policy) {
    await db.updateTable('sled').set({ policy, time_expunged }).where('id', '=', id).execute();
    await db.updateTable('sled_key').set({ time_expunged }).where('sled_id', '=', id).execute();
    if (policy === 'expunged') await revoke(db, { kind: 'sled', id });
  }
  if (policy === 'expunged') await db.updateTable('nexus').set({ round_nonce: null }).execute();
};
