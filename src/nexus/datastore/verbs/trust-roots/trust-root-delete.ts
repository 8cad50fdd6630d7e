import { sql } from 'kysely';
import { decideDelete } from '../../decisions/trust-move.ts';
import type { TrustRootPort } from '../../ports/trust-root-port.ts';
import type { Transactions } from '../../transactions.ts';

export const trustRootDelete =
  (transactions: Transactions): TrustRootPort['trustRootDelete'] =>
  (id, wait) =>
    transactions.write(
      'trust_root_delete',
      async (db, { repeated }) => {
        const row = await db.selectFrom('tuf_trust_root').selectAll().where('id', '=', id).executeTakeFirst();
        const decision = decideDelete(row && { deleted: row.time_deleted !== null }, { repeated });
        if (decision !== 'delete') return decision === 'deleted';
        await db
          .updateTable('tuf_trust_root')
          .set({ time_deleted: sql<Date>`now()` })
          .where('id', '=', id)
          .execute();
        return true;
      },
      wait,
    );
