import { sql } from 'kysely';
import type { Datastore } from '../datastore.ts';
import type { Transactions } from '../transactions.ts';

export const trustRootDelete =
  (transactions: Transactions): Datastore['trustRootDelete'] =>
  (id, wait) =>
    transactions.write(
      'trust_root_delete',
      async (db, { repeated }) => {
        const row = await db.selectFrom('tuf_trust_root').selectAll().where('id', '=', id).executeTakeFirst();
        if (row === undefined) return false;
        // Deleted by the earlier attempt, or by somebody else: the caller gets what it asked for either way.
        if (row.time_deleted !== null) return repeated;
        await db
          .updateTable('tuf_trust_root')
          .set({ time_deleted: sql<Date>`now()` })
          .where('id', '=', id)
          .execute();
        return true;
      },
      wait,
    );
