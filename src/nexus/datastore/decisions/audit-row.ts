/** The next row of the audit log. */
import { createHash } from 'node:crypto';
import { type AuditHead, type AuditRow, nextAuditRow } from '../../../core/audit-chain.ts';
import { type AuditAction, type AuditOrigin, auditContent } from '../../../core/facts/audit.ts';

export const sha256Hex = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');

/** @param nowMs by the database's clock */
export const auditRow = (
  head: AuditHead,
  origin: AuditOrigin,
  action: AuditAction,
  nowMs: number,
): AuditRow => nextAuditRow(head, auditContent(origin, action, nowMs), sha256Hex);
