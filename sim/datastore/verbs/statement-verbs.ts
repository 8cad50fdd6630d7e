import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import type { StatementEntry } from '../../../src/core/statement.ts';
import {
  statementRecorded,
  statementSha256,
} from '../../../src/nexus/datastore/decisions/statement-entry.ts';
import {
  MAX_LISTED_STATEMENTS,
  type StatementRecord,
} from '../../../src/nexus/datastore/ports/statement-port.ts';
import { type Query, type Step, withEntry } from '../state.ts';
import { withAudit } from './audit-verbs.ts';

export const statementList: Query<readonly StatementRecord[]> = ({ statements }) =>
  [...statements]
    .sort(([a, one], [b, other]) => other.timeRecordedMs - one.timeRecordedMs || (a < b ? -1 : 1))
    .map(([, record]) => record)
    .slice(0, MAX_LISTED_STATEMENTS);

export const statementInsert =
  (entry: StatementEntry, audit: AuditOrigin | undefined): Step<StatementRecord> =>
  (before, moment) => {
    const sha256 = statementSha256(entry.signed);
    const known = before.statements.get(sha256);
    if (known !== undefined) return { state: before, answer: known };
    const record: StatementRecord = { signed: entry.signed, timeRecordedMs: moment.nowMs };
    const state = { ...before, statements: withEntry(before.statements, sha256, record) };
    return { state: withAudit(state, audit, statementRecorded(entry), moment), answer: record };
  };
