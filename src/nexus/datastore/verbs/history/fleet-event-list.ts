import { sql } from 'kysely';
import type { SystemVersion } from '../../../../core/ids.ts';
import { EventToken, eventToken } from '../../event-token.ts';
import { ifGiven } from '../../optional-clause.ts';
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
          .$call(ifGiven(sledId, (query, id) => query.where('sled_id', '=', id)))
          .$call(ifGiven(sha256, (query, hash) => query.where('sha256', '=', hash)))
          .$call(ifGiven(kind, (query, wanted) => query.where('kind', '=', wanted)))
          .$call(ifGiven(sinceMs, (query, ms) => query.where('time', '>=', timeValue(ms))))
          .$call(ifGiven(untilMs, (query, ms) => query.where('time', '<', timeValue(ms))))
          .$call(
            ifGiven(systemVersion, (query, version) =>
              query.where(row =>
                row.or([row('system_version', '=', version), row('sha256', 'in', artifactsOf(db, version))]),
              ),
            ),
          )
          .$call(
            ifGiven(after, (query, last) =>
              query.where(
                row =>
                  sql<boolean>`(${row.ref('time')}, ${row.ref('id')}) < (${timeValue(last.timeMs)}, ${last.id})`,
              ),
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
