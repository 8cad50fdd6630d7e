import type { HistoryPort } from '../../ports/history-port.ts';
import { timeValue } from '../../time-value.ts';
import type { Transactions } from '../../transactions.ts';

export const fleetEventTrim =
  (transactions: Transactions): HistoryPort['fleetEventTrim'] =>
  ({ untilMs, limit }, wait) =>
    transactions.write(
      'fleet_event_trim',
      async db => {
        const { numDeletedRows } = await db
          .deleteFrom('fleet_event')
          .where('id', 'in', oldest =>
            oldest
              .selectFrom('fleet_event')
              .select('id')
              .where('time', '<=', timeValue(untilMs))
              .orderBy('time')
              .orderBy('id')
              .limit(limit),
          )
          .executeTakeFirstOrThrow();
        return Number(numDeletedRows);
      },
      wait,
    );
