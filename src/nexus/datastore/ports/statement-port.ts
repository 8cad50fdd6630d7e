/** Statements that admin keys signed, as they were sent: append-only. */
import type { SignedStatement, Statement } from '../../../core/statement.ts';
import type { Audited } from './audit-port.ts';
import type { Wait } from './verb.ts';

/** A fleet needs one in a month, and each is the decision of a person: the newest of them are told to sleds. */
export const MAX_LISTED_STATEMENTS = 4_096;

export type StatementRecord = {
  readonly signed: SignedStatement;
  readonly timeRecordedMs: number;
};

export type StatementPort = {
  /** The newest first, at most {@link MAX_LISTED_STATEMENTS}. */
  readonly statementList: (wait: Wait) => Promise<readonly StatementRecord[]>;
  /** One that is there already is not added again, and has no second entry in the audit log. */
  readonly statementInsert: (
    entry: { readonly signed: SignedStatement; readonly statement: Statement },
    wait: Audited,
  ) => Promise<StatementRecord>;
};
