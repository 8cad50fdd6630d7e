import { ifGiven } from '../../optional-clause.ts';
import { PositionToken, pageOf, parseToken, rowsFor } from '../../paging.ts';
import type { AuditPort } from '../../ports/audit-port.ts';
import type { Transactions } from '../../transactions.ts';

export const auditList =
  (transactions: Transactions): AuditPort['auditList'] =>
  async (page, wait) => {
    const after = parseToken(page, PositionToken);
    const isAscending = page.sortBy === 'seq_ascending';
    const rows = await transactions.read(
      'audit_list',
      db =>
        db
          .selectFrom('audit_entry')
          .select(['seq', 'hash', 'content'])
          .$call(ifGiven(after, (query, last) => query.where('seq', isAscending ? '>' : '<', last)))
          .orderBy('seq', isAscending ? 'asc' : 'desc')
          .limit(rowsFor(page))
          .execute(),
      wait,
    );
    return pageOf(
      rows,
      page,
      row => row,
      ({ seq }) => String(seq),
    );
  };
