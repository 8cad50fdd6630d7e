import { sql } from 'kysely';
import { decidePrune, releaseDeleted } from '../../decisions/prune.ts';
import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { currentTarget } from '../target-release/target-rows.ts';
import { lockGeneration, readWantedSet, recordWantedSet } from '../wanted-set/wanted-set-rows.ts';
import { removeBundle } from './bundle-rows.ts';
import { removePrefixes } from './prefix-rows.ts';

export const repoPrune =
  (transactions: Transactions): ReleasePort['repoPrune'] =>
  (version, { uploadedAtMs, prunedBy, audit, signal }) =>
    transactions.write(
      'repo_prune',
      async (db, attempt) => {
        await lockGeneration(db);
        const before = await readWantedSet(db);
        const { tuf_repo_id: target } = await currentTarget(db);
        const decision = decidePrune({ version, uploadedAtMs, ...attempt, by: audit?.actor }, before, target);
        if (decision.kind === 'pruned') return { generation: before.generation };
        const { repoId, wantedAfter } = decision;
        await db
          .updateTable('tuf_repo')
          .set({ time_pruned: sql<Date>`now()`, pruned_by: prunedBy ?? null })
          .where('id', '=', repoId)
          .execute();
        await removeBundle(db, repoId);
        await removePrefixes(db, before.artifacts, wantedAfter);
        const generation = await recordWantedSet(db, before, wantedAfter);
        await appendAudit(db, audit, releaseDeleted(version, before, generation), attempt);
        return { generation };
      },
      { signal },
    );
