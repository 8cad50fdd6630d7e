/** What the followed sources have: retention keeps it (PN3). */
import { sql } from 'kysely';
import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';

export const releaseFollowed =
  (transactions: Transactions): ReleasePort['releaseFollowed'] =>
  ({ source, sourceName, repoId, keepMs }, wait) =>
    transactions.write(
      'release_followed',
      async db => {
        const row = {
          source_name: sourceName,
          tuf_repo_id: repoId,
          time_until: sql<Date>`now() + ${keepMs / 1000} * interval '1 second'`,
        };
        await db
          .insertInto('followed_release')
          .values({ source, ...row })
          .onConflict(conflict => conflict.column('source').doUpdateSet(row))
          .execute();
      },
      wait,
    );

export const releasesFollowed =
  (transactions: Transactions): ReleasePort['releasesFollowed'] =>
  wait =>
    transactions.read(
      'releases_followed',
      async db => {
        const rows = await db
          .selectFrom('followed_release')
          .innerJoin('tuf_repo', 'tuf_repo.id', 'followed_release.tuf_repo_id')
          .select(['source', 'source_name', 'tuf_repo_id', 'system_version'])
          .where('time_until', '>', sql<number>`now()`)
          .orderBy('source')
          .execute();
        return rows.map(row => ({
          source: row.source,
          sourceName: row.source_name,
          repoId: row.tuf_repo_id,
          systemVersion: row.system_version,
        }));
      },
      wait,
    );
