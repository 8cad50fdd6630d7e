import type { LocalRepoPort } from '../../ports/local-repo-port.ts';
import type { Transactions } from '../../transactions.ts';

export const localRepoForget =
  (transactions: Transactions): LocalRepoPort['localRepoForget'] =>
  (uploadId, nexusId, wait) =>
    transactions.write(
      'local_repo_forget',
      async db => {
        await db
          .deleteFrom('local_repo')
          .where('upload_id', '=', uploadId)
          .where('nexus_id', '=', nexusId)
          .execute();
      },
      wait,
    );
