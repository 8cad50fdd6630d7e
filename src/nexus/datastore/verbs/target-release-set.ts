import { DepotError } from '../../../lib/errors.ts';
import type { Datastore } from '../datastore.ts';
import { currentTarget, toTargetRecord } from '../target-release.ts';
import type { Transactions } from '../transactions.ts';

export const targetReleaseSet =
  (transactions: Transactions): Datastore['targetReleaseSet'] =>
  ({ repoId, expectedGeneration }, wait) =>
    transactions.write(
      'target_release_set',
      async (db, { repeated }) => {
        const current = await currentTarget(db);
        const byEarlierAttempt =
          current.generation === expectedGeneration + 1 && current.tuf_repo_id === repoId;
        if (repeated && byEarlierAttempt) return toTargetRecord(db, current);
        if (current.generation !== expectedGeneration) {
          throw refusal(
            `it was set by somebody else meanwhile (generation ${current.generation}, not ${expectedGeneration})`,
          );
        }
        const repo = await db.selectFrom('tuf_repo').selectAll().where('id', '=', repoId).executeTakeFirst();
        if (repo === undefined) throw refusal(`there is no release of id ${repoId}`);
        if (repo.time_pruned !== null) throw refusal(`release ${repo.system_version} has been deleted`);
        const row = await db
          .insertInto('target_release')
          .values({ generation: expectedGeneration + 1, tuf_repo_id: repoId })
          .returningAll()
          .executeTakeFirstOrThrow();
        return toTargetRecord(db, row);
      },
      wait,
    );

const refusal = (why: string): DepotError =>
  new DepotError('TARGET_RELEASE_REFUSED', `the target release cannot be changed: ${why}`);
