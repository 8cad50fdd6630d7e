import type { TrustRootPort } from '../../ports/trust-root-port.ts';
import type { Transactions } from '../../transactions.ts';

export const trustRootChain =
  (transactions: Transactions): TrustRootPort['trustRootChain'] =>
  (id, wait) =>
    transactions.read(
      'trust_root_chain',
      async db => {
        const first = await db
          .selectFrom('tuf_trust_root')
          .select('root_bytes')
          .where('id', '=', id)
          .where('time_deleted', 'is', null)
          .executeTakeFirst();
        if (first === undefined) return undefined;
        const others = await db
          .selectFrom('tuf_trust_root_chain')
          .select('root_bytes')
          .where('trust_root_id', '=', id)
          .orderBy('version')
          .execute();
        return [first, ...others].map(row => row.root_bytes);
      },
      wait,
    );
