import type { Datastore } from '../datastore.ts';
import { toLocalRepoRecord } from '../records.ts';
import type { Transactions } from '../transactions.ts';

export const localRepoList =
  (transactions: Transactions): Datastore['localRepoList'] =>
  ({ nexusId, ...wait }) =>
    transactions.read(
      'local_repo_list',
      async db => {
        const rows = await db
          .selectFrom('local_repo')
          .selectAll()
          .$if(nexusId !== undefined, query => query.where('nexus_id', '=', nexusId!))
          .orderBy('upload_id')
          .execute();
        return rows.map(toLocalRepoRecord);
      },
      wait,
    );
