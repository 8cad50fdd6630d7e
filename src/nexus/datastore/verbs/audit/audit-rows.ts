/**
 * Appends to the audit log, within the transaction of a change.
 *
 * AE1. The row of the head is locked: changes by persons take turns. A transaction that also locks the generation has
 *      locked that first, so that no two wait for each other.
 * AE2. Last in its transaction, so that the head is locked for a moment only.
 */
import type { AuditHead } from '../../../../core/audit-chain.ts';
import type { AuditAction, AuditOrigin } from '../../../../core/facts/audit.ts';
import { databaseNow } from '../../database-time.ts';
import { auditRow } from '../../decisions/audit-row.ts';
import type { Database } from '../../tables.ts';
import type { Attempt } from '../../transactions.ts';

/** Nothing without an origin, or if an earlier attempt of this transaction has added the entry. */
export const appendAudit = async (
  db: Database,
  origin: AuditOrigin | undefined,
  action: AuditAction,
  { repeated }: Attempt,
): Promise<void> => {
  if (origin === undefined) return;
  if (repeated && (await isThere(db, origin))) return;
  const head = await db
    .selectFrom('audit_head')
    .select(['seq', 'hash', databaseNow.as('now_ms')])
    .forUpdate()
    .executeTakeFirstOrThrow();
  const { seq, hash, content } = auditRow(head, origin, action, head.now_ms);
  await db.insertInto('audit_entry').values({ seq, id: origin.entryId, hash, content }).execute();
  await db.updateTable('audit_head').set({ seq, hash }).execute();
};

const isThere = async (db: Database, { entryId }: AuditOrigin): Promise<boolean> => {
  const row = await db.selectFrom('audit_entry').select('seq').where('id', '=', entryId).executeTakeFirst();
  return row !== undefined;
};

export const readAuditHead = (db: Database): Promise<AuditHead> =>
  db.selectFrom('audit_head').select(['seq', 'hash']).executeTakeFirstOrThrow();
