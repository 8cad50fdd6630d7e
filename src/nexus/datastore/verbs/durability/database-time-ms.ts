import { databaseNow } from '../../database-time.ts';
import type { ClockPort } from '../../ports/clock-port.ts';
import type { Transactions } from '../../transactions.ts';

export const databaseTimeMs =
  (transactions: Transactions): ClockPort['databaseTimeMs'] =>
  wait =>
    transactions.read(
      'database_time',
      async db => {
        const { now } = await db.selectNoFrom(databaseNow.as('now')).executeTakeFirstOrThrow();
        return now;
      },
      wait,
    );
