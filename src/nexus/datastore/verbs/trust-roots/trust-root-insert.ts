import assert from 'node:assert/strict';
import type { TrustRootPort } from '../../ports/trust-root-port.ts';
import { toTrustRootRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { newestRoots } from './root-chains.ts';

export const trustRootInsert =
  (transactions: Transactions): TrustRootPort['trustRootInsert'] =>
  (root, wait) =>
    transactions.write(
      'trust_root_insert',
      async db => {
        await db
          .insertInto('tuf_trust_root')
          .values({ id: root.id, root_bytes: Buffer.from(root.rootBytes) })
          .onConflict(conflict => conflict.column('id').doNothing())
          .execute();
        const row = await db
          .selectFrom('tuf_trust_root')
          .selectAll()
          .where('id', '=', root.id)
          .executeTakeFirstOrThrow();
        assert(row.root_bytes.equals(root.rootBytes), `trust root ${root.id} was inserted with other bytes`);
        return toTrustRootRecord(row, (await newestRoots(db, [root.id])).get(root.id));
      },
      wait,
    );
