import { sql } from 'kysely';
import type { SystemVersion } from '../../../../core/ids.ts';
import { EventToken, eventToken } from '../../event-token.ts';
import { pageOf, parseToken, rowsFor } from '../../paging.ts';
import type { HistoryPort } from '../../ports/history-port.ts';
import { toFleetEvent } from '../../records.ts';
import type { Database } from '../../tables.ts';
import { timeValue } from '../../time-value.ts';
import type { Transactions } from '../../transactions.ts';

export const fleetEventList =
  (transactions: Transactions): HistoryPort['fleetEventList'] =>
  async (filter, wait) => {
    const after = parseToken(filter, EventToken);
    const { sledId, sha256, systemVersion, kind, sinceMs, untilMs } = filter;
    const rows = await transactions.read(
      'fleet_event_list',
      db =>
        db
          .selectFrom('fleet_event')
          .selectAll()
          .$if(sledId !== undefined, query => query.where('sled_id', '=', sledId!))
          .$if(sha256 !== undefined, query => query.where('sha256', '=', sha256!))
          .$if(kind !== undefined, query => query.where('kind', '=', kind!))
          .$if(sinceMs !== undefined, query => query.where('time', '>=', timeValue(sinceMs!)))
          .$if(untilMs !== undefined, query => query.where('time', '<', timeValue(untilMs!)))
          .$if(systemVersion !== undefined, query =>
            query.where(row =>
              row.or([
                row('system_version', '=', systemVersion!),
                row('sha256', 'in', artifactsOf(db, systemVersion!)),
              ]),
            ),
          )
          .$if(after !== undefined, query =>
            query.where(
              row =>
                sql<boolean>`(${row.ref('time')}, ${row.ref('id')}) < (${timeValue(after!.timeMs)}, ${after!.id})`,
            ),
          )
          .orderBy('time', 'desc')
          .orderBy('id', 'desc')
          .limit(rowsFor(filter))
          .execute(),
      wait,
    );
    return pageOf(rows, filter, toFleetEvent, ({ time, id }) => eventToken(time, id));
  };

const artifactsOf = (db: Database, version: SystemVersion) =>
  db
    .selectFrom('tuf_repo')
    .innerJoin('tuf_repo_artifact', 'tuf_repo_artifact.tuf_repo_id', 'tuf_repo.id')
    .innerJoin('tuf_artifact', 'tuf_artifact.id', 'tuf_repo_artifact.tuf_artifact_id')
    .select('tuf_artifact.sha256')
    .where('tuf_repo.system_version', '=', version);
