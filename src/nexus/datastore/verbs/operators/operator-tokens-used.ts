import { sql } from 'kysely';
import { LAST_USE_PRECISION_MS } from '../../decisions/operator-token.ts';
import type { OperatorTokenPort } from '../../ports/operator-token-port.ts';
import type { Transactions } from '../../transactions.ts';

export const operatorTokensUsed =
  (transactions: Transactions): OperatorTokenPort['operatorTokensUsed'] =>
  (ids, wait) =>
    transactions.write(
      'operator_tokens_used',
      async db => {
        if (ids.length === 0) return;
        const limit = sql<number>`now() - ${LAST_USE_PRECISION_MS / 1000} * interval '1 second'`;
        await db
          .updateTable('operator_token')
          .set({ time_last_used: sql<Date>`now()` })
          .where('id', 'in', ids)
          .where(row => row.or([row('time_last_used', 'is', null), row('time_last_used', '<=', limit)]))
          .execute();
      },
      wait,
    );
