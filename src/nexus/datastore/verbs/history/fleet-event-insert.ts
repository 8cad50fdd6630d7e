import { batchesOf, INSERT_BATCH_ROWS } from '../../paging.ts';
import type { HistoryPort } from '../../ports/history-port.ts';
import type { Transactions } from '../../transactions.ts';

export const fleetEventInsert =
  (transactions: Transactions): HistoryPort['fleetEventInsert'] =>
  (events, wait) =>
    transactions.write(
      'fleet_event_insert',
      async db => {
        const rows = events.map(event => ({
          id: event.id,
          time: new Date(event.timeMs),
          nexus_id: event.nexusId,
          kind: event.kind,
          sled_id: event.sledId ?? null,
          sha256: event.sha256 ?? null,
          generation: event.generation ?? null,
          system_version: event.systemVersion ?? null,
          source_sled_id: event.sourceSledId ?? null,
          elapsed_ms: event.elapsedMs ?? null,
          error_code: event.errorCode ?? null,
          message: event.message ?? null,
          details: event.details === undefined ? null : JSON.stringify(event.details),
        }));
        for (const batch of batchesOf(rows, INSERT_BATCH_ROWS)) {
          await db
            .insertInto('fleet_event')
            .values(batch)
            .onConflict(conflict => conflict.column('id').doNothing())
            .execute();
        }
      },
      wait,
    );
