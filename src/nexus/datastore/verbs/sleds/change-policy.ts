import { sql } from 'kysely';
import type { SledRecord } from '../../ports/sled-port.ts';
import type { Database } from '../../tables.ts';

/** A drop whose round counted the sled must not succeed once it is expunged: no drop in flight finds its nonce (S23, G4). */
export const changePolicy = async (
  db: Database,
  { id, policy: before }: Pick<SledRecord, 'id' | 'policy'>,
  policy: SledRecord['policy'],
): Promise<void> => {
  const time_expunged = policy === 'expunged' ? sql<Date>`now()` : null;
  if (before !== policy)
    await db.updateTable('sled').set({ policy, time_expunged }).where('id', '=', id).execute();
  if (policy === 'expunged') await db.updateTable('nexus').set({ round_nonce: null }).execute();
};
