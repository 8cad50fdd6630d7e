import type { TrustRootPort } from '../../ports/trust-root-port.ts';
import { toTrustRootRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { recordRoles } from './role-rows.ts';
import { newestRoots } from './root-chains.ts';
import { moveTrustRoot, requireTrustRoot } from './trust-root-rows.ts';

export const trustRootAdvance =
  (transactions: Transactions): TrustRootPort['trustRootAdvance'] =>
  (id, move, wait) =>
    transactions.write(
      'trust_root_advance',
      async db => {
        await requireTrustRoot(db, id);
        await moveTrustRoot(db, id, move);
        if (wait.resigned !== undefined) await recordRoles(db, wait.resigned.repoId, wait.resigned.roles);
        const row = await db
          .selectFrom('tuf_trust_root')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirstOrThrow();
        return toTrustRootRecord(row, (await newestRoots(db, [id])).get(id));
      },
      wait,
    );
