/** The row of a statement, and its entry in the audit log. */
import type { AuditAction } from '../../../core/facts/audit.ts';
import { type SignedStatement, type StatementEntry, subjectOf } from '../../../core/statement.ts';
import { sha256Hex } from './audit-row.ts';

/** Of the statement with its proof: the same text signed twice is two rows, since one signature may be false. */
export const statementSha256 = ({ key, signature, statement }: SignedStatement): string =>
  sha256Hex(`${key}\n${signature}\n${statement}`);

export const statementRecorded = ({
  signed,
  statement,
}: StatementEntry): AuditAction<'statement_recorded'> => ({
  kind: 'statement_recorded',
  statementId: statement.id,
  statementKind: statement.kind,
  adminKeySha256: signed.key,
  subject: subjectOf(statement).slice(0, MAX_SUBJECT_CHARS),
});

/** A statement that accepts many points names the first of them. */
const MAX_SUBJECT_CHARS = 500;
