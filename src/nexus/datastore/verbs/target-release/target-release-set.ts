import { decideTarget, targetReleaseSetTo } from '../../decisions/target-choice.ts';
import type { TargetReleasePort } from '../../ports/target-release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { currentTarget, toTargetRecord } from './target-rows.ts';

export const targetReleaseSet =
  (transactions: Transactions): TargetReleasePort['targetReleaseSet'] =>
  ({ repoId, expectedGeneration }, { audit, signal }) =>
    transactions.write(
      'target_release_set',
      async (db, attempt) => {
        const current = await currentTarget(db);
        const repo = await db.selectFrom('tuf_repo').selectAll().where('id', '=', repoId).executeTakeFirst();
        const decision = decideTarget(
          { repoId, expectedGeneration, ...attempt },
          { generation: current.generation, repoId: current.tuf_repo_id },
          repo && toRepoRecord(repo),
        );
        if (decision === 'set_before') return toTargetRecord(db, current);
        const row = await db
          .insertInto('target_release')
          .values({ generation: expectedGeneration + 1, tuf_repo_id: repoId })
          .returningAll()
          .executeTakeFirstOrThrow();
        const record = await toTargetRecord(db, row);
        if (audit !== undefined) {
          const before = await toTargetRecord(db, current);
          const action = targetReleaseSetTo(record, before, audit.isForced);
          if (action !== undefined) await appendAudit(db, audit.origin, action, attempt);
        }
        return record;
      },
      { signal },
    );
