import type { TrustRootId } from '../../../../core/ids.ts';
import { trustRootAdvanced } from '../../decisions/trust-move.ts';
import type { TrustRootPort, TrustRootRecord } from '../../ports/trust-root-port.ts';
import { toTrustRootRecord } from '../../records.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { recordRoles } from './role-rows.ts';
import { newestRoots } from './root-chains.ts';
import { moveTrustRoot, requireTrustRoot } from './trust-root-rows.ts';

export const trustRootAdvance =
  (transactions: Transactions): TrustRootPort['trustRootAdvance'] =>
  (id, move, { resigned, audit, signal }) =>
    transactions.write(
      'trust_root_advance',
      async (db, attempt) => {
        await requireTrustRoot(db, id);
        const before = await readRoot(db, id);
        await moveTrustRoot(db, id, move);
        if (resigned !== undefined) await recordRoles(db, resigned.repoId, resigned.roles);
        const after = await readRoot(db, id);
        const advanced = trustRootAdvanced(move, before, after);
        if (advanced !== undefined) await appendAudit(db, audit, advanced, attempt);
        return after;
      },
      { signal },
    );

const readRoot = async (db: Database, id: TrustRootId): Promise<TrustRootRecord> => {
  const row = await db
    .selectFrom('tuf_trust_root')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return toTrustRootRecord(row, (await newestRoots(db, [id])).get(id));
};
