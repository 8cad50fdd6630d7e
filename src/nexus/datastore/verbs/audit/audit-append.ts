import type { AuditPort } from '../../ports/audit-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from './audit-rows.ts';

export const auditAppend =
  (transactions: Transactions): AuditPort['auditAppend'] =>
  (origin, action, wait) =>
    transactions.write('audit_append', (db, attempt) => appendAudit(db, origin, action, attempt), wait);
