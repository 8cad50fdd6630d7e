import type { UploadId } from '../../../../core/ids.ts';
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
              .$if(nexusId !== undefined, query => query.where('nexus_id', '=', nexusId!))
              .$if(after !== undefined, query => query.where('upload_id', '>', after!))
              .orderBy('upload_id')
              .limit(limit)
              .execute(),
          row => row.upload_id,
        );
        return (await collect(rows)).map(toLocalRepoRecord);
      },
      wait,
    );
