import type { UploadId } from '../../../../core/ids.ts';
import { ifGiven } from '../../optional-clause.ts';
import { collect, readInBatches } from '../../paging.ts';
import type { LocalRepoPort } from '../../ports/local-repo-port.ts';
import { toLocalRepoRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';

export const localRepoList =
  (transactions: Transactions): LocalRepoPort['localRepoList'] =>
  ({ nexusId, ...wait }) =>
    transactions.read(
      'local_repo_list',
      async db => {
        const rows = readInBatches(
          (after: UploadId | undefined, limit) =>
            db
              .selectFrom('local_repo')
              .selectAll()
              .$call(ifGiven(nexusId, (query, id) => query.where('nexus_id', '=', id)))
              .$call(ifGiven(after, (query, last) => query.where('upload_id', '>', last)))
              .orderBy('upload_id')
              .limit(limit)
              .execute(),
          row => row.upload_id,
        );
        return (await collect(rows)).map(toLocalRepoRecord);
      },
      wait,
    );
