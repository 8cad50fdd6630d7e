import { sql } from 'kysely';

/** Milliseconds since the last heartbeat, by the database's clock on both ends (P8); never negative. */
export const heartbeatAgeMs = sql<number>`CAST(greatest(extract(epoch FROM (now() - time_heartbeat)) * 1000, 0) AS INT8)`;
