import type { Datastore } from '../datastore.ts';
import type { Transactions } from '../transactions.ts';
import { readGeneration } from '../wanted-set.ts';

export const localRepoDrop =
  (transactions: Transactions): Datastore['localRepoDrop'] =>
  ({ uploadId, nexusId, plannedGeneration }, wait) =>
    transactions.write(
      'local_repo_drop',
      async (db, { repeated }) => {
        const local = await db
          .selectFrom('local_repo')
          .innerJoin('tuf_repo', 'tuf_repo.id', 'local_repo.tuf_repo_id')
          .select(['tuf_repo.system_version', 'tuf_repo.time_pruned'])
          .where('local_repo.upload_id', '=', uploadId)
          .where('local_repo.nexus_id', '=', nexusId)
          .executeTakeFirst();
        if (local === undefined) return { kind: repeated ? 'dropped' : 'absent' };
        const { generation } = await readGeneration(db);
        if (local.time_pruned === null && generation !== plannedGeneration) {
          const reason = `release ${local.system_version} was counted at generation ${plannedGeneration}, and the generation is ${generation} now`;
          return { kind: 'kept', reason };
        }
        await db.deleteFrom('local_repo').where('upload_id', '=', uploadId).execute();
        return { kind: 'dropped' };
      },
      wait,
    );
