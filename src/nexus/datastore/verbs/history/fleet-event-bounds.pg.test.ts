import { expect, test } from 'vitest';
import { seededRng } from '../../../../core/rng.ts';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { sqlEngine } from '../../attempt.ts';
import { wait } from '../../conformance/records.fixture.ts';
import { createSqlPool } from '../../connection.ts';
import { createTestDatabase } from '../../database.fixture.ts';
import { requireDatabaseTarget } from '../../database-url.ts';
import { createTransactions } from '../../transactions.ts';
import { fleetEventBounds } from './fleet-event-bounds.ts';

const EVENTS = 7;

test('the newest event over the limit is found in steps of any size, also among events of one time', async () => {
  await using database = await createTestDatabase();
  await database.query(
    `INSERT INTO fleet_event (id, time, nexus_id, kind)
     SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, to_timestamp(n / 2),
       '00000000-0000-4000-8000-000000000000', 'nexus_started'
     FROM generate_series(0, ${EVENTS - 1}) AS n`,
  );
  await using pool = createSqlPool(requireDatabaseTarget(database.connection), { clock: systemClock });
  const transactions = createTransactions({
    engine: sqlEngine(pool),
    log: silentLogger,
    clock: systemClock,
    rng: seededRng(1),
  });
  for (let step = 1; step <= EVENTS + 1; step += 1) {
    for (let kept = 0; kept <= EVENTS + 1; kept += 1) {
      const { beyondMs } = await fleetEventBounds(transactions, step)(kept, wait);
      const newestBeyond = EVENTS - 1 - kept;
      const expected = newestBeyond < 0 ? null : Math.floor(newestBeyond / 2) * 1000;
      expect(beyondMs, `${kept} kept, in steps of ${step}`).toBe(expected);
    }
  }
});
