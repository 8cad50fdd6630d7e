import { sql } from 'kysely';
import { DepotError } from '../../../lib/errors.ts';
import type { Datastore } from '../datastore.ts';
import { currentTarget } from '../target-release.ts';
import type { Transactions } from '../transactions.ts';
import { lockGeneration, readWantedSet, recordWantedSet } from '../wanted-set.ts';

export const repoPrune =
  (transactions: Transactions): Datastore['repoPrune'] =>
  (version, { uploadedAtMs, ...wait }) =>
    transactions.write(
      'repo_prune',
      async (db, { repeated }) => {
        await lockGeneration(db);
        const before = await readWantedSet(db);
        const release = before.releases.find(({ systemVersion }) => systemVersion === version);
        if (release === undefined) {
          // The earlier attempt was committed, if there was one.
          if (repeated) return { generation: before.generation };
          throw new DepotError('NOT_FOUND', `there is no release ${version}`);
        }
        if (uploadedAtMs !== undefined && release.timeCreatedMs !== uploadedAtMs) {
          throw new DepotError('RELEASE_IN_USE', `release ${version} was uploaded again meanwhile`);
        }
        const target = await currentTarget(db);
        if (target.tuf_repo_id === release.repoId) {
          throw new DepotError(
            'RELEASE_IN_USE',
            `release ${version} is the target release: set another one first`,
          );
        }
        await db
          .updateTable('tuf_repo')
          .set({ time_pruned: sql<Date>`now()` })
          .where('id', '=', release.repoId)
          .execute();
        const others = before.releases.filter(({ repoId }) => repoId !== release.repoId);
        const after = new Set(others.flatMap(({ artifacts }) => [...artifacts]));
        return { generation: await recordWantedSet(db, before, after) };
      },
      wait,
    );
