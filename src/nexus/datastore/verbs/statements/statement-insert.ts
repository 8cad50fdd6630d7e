import { statementRecorded, statementSha256 } from '../../decisions/statement-entry.ts';
import type { StatementPort } from '../../ports/statement-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { toStatementRecord } from './statement-rows.ts';

export const statementInsert =
  (transactions: Transactions): StatementPort['statementInsert'] =>
  (entry, { audit, signal }) =>
    transactions.write(
      'statement_insert',
      async (db, attempt) => {
        const { statement, signature, key: key_sha256 } = entry.signed;
        const sha256 = statementSha256(entry.signed);
        const { numInsertedOrUpdatedRows: inserted = 0n } = await db
          .insertInto('admin_statement')
          .values({ sha256, statement, signature, key_sha256 })
          .onConflict(conflict => conflict.column('sha256').doNothing())
          .executeTakeFirstOrThrow();
        const row = await db
          .selectFrom('admin_statement')
          .selectAll()
          .where('sha256', '=', sha256)
          .executeTakeFirstOrThrow();
        if (inserted > 0n) await appendAudit(db, audit, statementRecorded(entry), attempt);
        return toStatementRecord(row);
      },
      { signal },
    );
