import type { AuditPort } from '../../ports/audit-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readAuditHead } from './audit-rows.ts';

export const auditHead =
  (transactions: Transactions): AuditPort['auditHead'] =>
  wait =>
    transactions.read('audit_head', readAuditHead, wait);
