import { sql } from 'kysely';
import type { DurabilityPort } from '../../ports/durability-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';

/** The settings for this user; an engine without the first one replicates in another way. */
export const commitDurability =
  (transactions: Transactions): DurabilityPort['commitDurability'] =>
  wait =>
    transactions.read(
      'commit_durability',
      async db => {
        const { rows } = await sql<{ name: string; setting: string }>`
          SELECT name, setting FROM pg_catalog.pg_settings
          WHERE name IN ('synchronous_standby_names', 'synchronous_commit')`.execute(db);
        const settings = new Map(rows.map(({ name, setting }) => [name, setting]));
        const synchronousStandbys = settings.get('synchronous_standby_names');
        if (synchronousStandbys === undefined) return undefined;
        return {
          synchronousStandbys,
          synchronousCommit: settings.get('synchronous_commit') ?? 'on',
          standbys: await countStandbys(db),
        };
      },
      wait,
    );

/** A streaming backup is no standby. A user without `pg_read_all_stats` sees each connection, but not its state. */
const countStandbys = async (db: Database): Promise<number | undefined> => {
  const { rows: allowed } = await sql<{ yes: boolean }>`
    SELECT has_table_privilege('pg_catalog.pg_stat_replication', 'select') AS yes`.execute(db);
  if (allowed[0]?.yes !== true) return undefined;
  const { rows } = await sql<{ count: number }>`
    SELECT count(*) AS count FROM pg_catalog.pg_stat_replication
    WHERE state IS NULL OR state IN ('catchup', 'streaming')`.execute(db);
  return rows[0]?.count;
};
