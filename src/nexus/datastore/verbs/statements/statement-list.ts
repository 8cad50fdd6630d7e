import { MAX_LISTED_STATEMENTS, type StatementPort } from '../../ports/statement-port.ts';
import type { Transactions } from '../../transactions.ts';
import { toStatementRecord } from './statement-rows.ts';

export const statementList =
  (transactions: Transactions): StatementPort['statementList'] =>
  wait =>
    transactions.read(
      'statement_list',
      async db => {
        const rows = await db
          .selectFrom('admin_statement')
          .selectAll()
          .orderBy('time_recorded', 'desc')
          .orderBy('sha256')
          .limit(MAX_LISTED_STATEMENTS)
          .execute();
        return rows.map(toStatementRecord);
      },
      wait,
    );
