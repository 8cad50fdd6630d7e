import assert from 'node:assert/strict';
import { sha256Hex } from '../../decisions/audit-row.ts';
import type { TrustRootPort } from '../../ports/trust-root-port.ts';
import { toTrustRootRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { newestRoots } from './root-chains.ts';

export const trustRootInsert =
  (transactions: Transactions): TrustRootPort['trustRootInsert'] =>
  (root, { audit, signal }) =>
    transactions.write(
      'trust_root_insert',
      async (db, attempt) => {
        const { numInsertedOrUpdatedRows: inserted = 0n } = await db
          .insertInto('tuf_trust_root')
          .values({ id: root.id, root_bytes: Buffer.from(root.rootBytes) })
          .onConflict(conflict => conflict.column('id').doNothing())
          .executeTakeFirstOrThrow();
        const row = await db
          .selectFrom('tuf_trust_root')
          .selectAll()
          .where('id', '=', root.id)
          .executeTakeFirstOrThrow();
        assert(row.root_bytes.equals(root.rootBytes), `trust root ${root.id} was inserted with other bytes`);
        const record = toTrustRootRecord(row, (await newestRoots(db, [root.id])).get(root.id));
        if (inserted > 0n && audit !== undefined) {
          const { origin, rootVersion } = audit;
          const rootSha256 = sha256Hex(root.rootBytes);
          const added = { kind: 'trust_root_added', trustRootId: root.id, rootVersion, rootSha256 } as const;
          await appendAudit(db, origin, added, attempt);
        }
        return record;
      },
      { signal },
    );
