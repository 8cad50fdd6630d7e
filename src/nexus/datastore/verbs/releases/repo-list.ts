import { SystemVersion } from '../../../../core/ids.ts';
import { ifGiven } from '../../optional-clause.ts';
import { pageOf, parseToken, rowsFor } from '../../paging.ts';
import type { ReleasePort } from '../../ports/release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Transactions } from '../../transactions.ts';
import { versionOrder } from '../../version-order.ts';

/** Present releases, as semantic versions sort; the page token is the last version of the page before. */
export const repoList =
  (transactions: Transactions): ReleasePort['repoList'] =>
  async (page, wait) => {
    const after = parseToken(page, SystemVersion);
    const ascending = page.sortBy === 'version_ascending';
    const rows = await transactions.read(
      'repo_list',
      db =>
        db
          .selectFrom('tuf_repo')
          .selectAll()
          .where('time_pruned', 'is', null)
          .$call(
            ifGiven(after, (query, last) =>
              query.where('version_order', ascending ? '>' : '<', versionOrder(last)),
            ),
          )
          .orderBy('version_order', ascending ? 'asc' : 'desc')
          .limit(rowsFor(page))
          .execute(),
      wait,
    );
    return pageOf(rows, page, toRepoRecord, row => row.system_version);
  };
