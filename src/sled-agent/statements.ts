/**
 * The statements of admin keys on a sled (T4): what a Nexus sends is verified and kept, and decides in place of its word.
 *
 *     keys that are pinned (trust.json) ────┐
 *     PUT /statements ─▶ verified by them ──┴─▶ statements.json beside the certificate ─▶ deletions, points, releases, roots
 *
 * SMS1. A sled without a pinned admin key keeps no statement, and needs none.
 */
import { createHash } from 'node:crypto';
import type { StatementsAnswer, StatementsBody } from '../api/sled-agent-api.ts';
import { samePoint } from '../core/lineage.ts';
import { isOverAt } from '../core/statement.ts';
import type { Statements } from '../identity/statements.ts';
import type { Logger } from '../lib/log.ts';
import type { Decisions } from './store/store.ts';

/** What the statements decide for the store of this sled. */
export const decisionsOf = (statements: Statements): Decisions => ({
  areRequired: statements.areRequired,
  allowDeletionAt: at => statements.has('allow_deletion', ({ point }) => samePoint(point, at)),
  accept: at => statements.has('accept_points', ({ points }) => points.some(point => samePoint(point, at))),
});

/** Keeps what counts here, and answers which do not. @throws DepotError `NO_SPACE`, `IO` */
export const takeStatements = async (
  statements: Pick<Statements, 'add'>,
  body: StatementsBody,
  { generation, log }: { readonly generation: number | undefined; readonly log: Logger },
): Promise<StatementsAnswer> => {
  const refused = await statements.add(body.statements, isOverAt(generation));
  for (const { signed, reason } of refused) log.warn({ key: signed.key, reason }, 'statement refused');
  return {
    refused: refused.map(({ signed, reason }) => ({
      statement_sha256: createHash('sha256').update(signed.statement).digest('hex'),
      reason,
    })),
  };
};
