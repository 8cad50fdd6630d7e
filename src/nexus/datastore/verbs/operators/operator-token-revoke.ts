import { sql } from 'kysely';
import type { OperatorTokenPort } from '../../ports/operator-token-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';

export const operatorTokenRevoke =
  (transactions: Transactions): OperatorTokenPort['operatorTokenRevoke'] =>
  (id, { audit, signal }) =>
    transactions.write(
      'operator_token_revoke',
      async (db, attempt) => {
        const token = await db
          .selectFrom('operator_token')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirst();
        if (token === undefined) return false;
        if (token.time_revoked !== null) return attempt.repeated;
        await db
          .updateTable('operator_token')
          .set({ time_revoked: sql<Date>`now()` })
          .where('id', '=', id)
          .execute();
        const { role, description } = token;
        await appendAudit(db, audit, { kind: 'token_revoked', tokenId: id, role, description }, attempt);
        return true;
      },
      { signal },
    );
