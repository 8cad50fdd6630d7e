/** Statements, as a Nexus sends them to a sled. */
import type { StatementsAnswer, StatementsBody } from '../api/sled-agent-api.ts';
import type { SignedStatement } from '../core/statement.ts';

export type StatementRefusal = { readonly statementSha256: string; readonly reason: string };

export const statementsBody = (statements: readonly SignedStatement[]): StatementsBody => ({
  statements: statements.map(({ statement, signature, key }) => ({ statement, signature, key })),
});

export const refusalsOf = ({ refused }: StatementsAnswer): readonly StatementRefusal[] =>
  refused.map(({ statement_sha256: statementSha256, reason }) => ({ statementSha256, reason }));
