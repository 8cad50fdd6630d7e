import type { AuditPort } from '../../ports/audit-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from './audit-rows.ts';

export const auditAppend =
  (transactions: Transactions): AuditPort['auditAppend'] =>
  (origin, action, wait) =>
    // A call may be repeated as well as an attempt: there is no change beside the entry that would show it.
    transactions.write('audit_append', db => appendAudit(db, origin, action, { repeated: true }), wait);
