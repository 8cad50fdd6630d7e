import { sql } from 'kysely';
import { sha256Hex } from '../../decisions/audit-row.ts';
import { decideDelete } from '../../decisions/trust-move.ts';
import type { TrustRootPort } from '../../ports/trust-root-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { newestRoots } from './root-chains.ts';

export const trustRootDelete =
  (transactions: Transactions): TrustRootPort['trustRootDelete'] =>
  (id, { audit, signal }) =>
    transactions.write(
      'trust_root_delete',
      async (db, attempt) => {
        const row = await db.selectFrom('tuf_trust_root').selectAll().where('id', '=', id).executeTakeFirst();
        const decision = decideDelete(row && { deleted: row.time_deleted !== null }, attempt);
        if (decision !== 'delete' || row === undefined) return decision === 'deleted';
        await db
          .updateTable('tuf_trust_root')
          .set({ time_deleted: sql<Date>`now()` })
          .where('id', '=', id)
          .execute();
        const newest = (await newestRoots(db, [id])).get(id) ?? row.root_bytes;
        const rootSha256 = sha256Hex(newest);
        await appendAudit(db, audit, { kind: 'trust_root_deleted', trustRootId: id, rootSha256 }, attempt);
        return true;
      },
      { signal },
    );
