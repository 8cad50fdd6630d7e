/** The target release: the row of the highest generation. */
import type { Selectable } from 'kysely';
import type { TargetReleaseRecord } from '../../ports/target-release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Database, Tables } from '../../tables.ts';

type Row = Selectable<Tables['target_release']>;

export const currentTarget = (db: Database): Promise<Row> =>
  db
    .selectFrom('target_release')
    .selectAll()
    .orderBy('generation', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow();

export const toTargetRecord = async (db: Database, row: Row): Promise<TargetReleaseRecord> => {
  const repo =
    row.tuf_repo_id === null
      ? undefined
      : await db
          .selectFrom('tuf_repo')
          .selectAll()
          .where('id', '=', row.tuf_repo_id)
          .executeTakeFirstOrThrow();
  return {
    generation: row.generation,
    timeRequestedMs: row.time_requested,
    repo: repo === undefined ? null : toRepoRecord(repo),
  };
};
