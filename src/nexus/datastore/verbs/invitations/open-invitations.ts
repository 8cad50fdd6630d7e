/** Invitations that no machine has used. */
import { sql } from 'kysely';
import { databaseNow } from '../../database-time.ts';
import type { Database } from '../../tables.ts';

/**
 * Ends all of them, those of sleds and those of Nexuses: a database that lost commits may list used ones as unused (JD4).
 *
 * @returns how many
 */
export const endOpenInvitations = async (db: Database): Promise<number> => {
  let ended = 0;
  for (const table of ['sled_invitation', 'nexus_invitation'] as const) {
    const { numUpdatedRows } = await db
      .updateTable(table)
      .set({ time_expires: sql<Date>`now()` })
      .where('time_used', 'is', null)
      .where('time_expires', '>', databaseNow)
      .executeTakeFirstOrThrow();
    ended += Number(numUpdatedRows);
  }
  return ended;
};
