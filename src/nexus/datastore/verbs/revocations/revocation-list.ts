import { MAX_REVOCATIONS } from '../../../../core/revocation.ts';
import type { RevocationPort } from '../../ports/revocation-port.ts';
import type { Transactions } from '../../transactions.ts';

export const revocationList =
  (transactions: Transactions): RevocationPort['revocationList'] =>
  wait =>
    transactions.read(
      'revocation_list',
      async db => {
        const rows = await db
          .selectFrom('identity_revocation')
          .selectAll()
          .orderBy('time_revoked', 'desc')
          .orderBy('kind')
          .orderBy('id')
          .limit(MAX_REVOCATIONS)
          .execute();
        return rows.map(({ kind, id, time_revoked: timeMs }) => ({ kind, id, timeMs }));
      },
      wait,
    );
