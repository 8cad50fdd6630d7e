/** Rows of the tokens of operators. */
import type { Selectable } from 'kysely';
import type { OperatorTokenId } from '../../../../core/ids.ts';
import { ifGiven } from '../../optional-clause.ts';
import type { OperatorTokenRecord } from '../../ports/operator-token-port.ts';
import type { Database, Tables } from '../../tables.ts';

type Row = Selectable<Tables['operator_token']>;

/** For `readInBatches`, by id. */
export const readTokens =
  (db: Database) =>
  (after: OperatorTokenId | undefined, limit: number): Promise<Row[]> =>
    db
      .selectFrom('operator_token')
      .selectAll()
      .$call(ifGiven(after, (query, last) => query.where('id', '>', last)))
      .orderBy('id')
      .limit(limit)
      .execute();

export const toTokenRecord = (row: Row): OperatorTokenRecord => ({
  id: row.id,
  role: row.role,
  description: row.description,
  sha256: row.sha256,
  timeCreatedMs: row.time_created,
  timeExpiresMs: row.time_expires,
  timeRevokedMs: row.time_revoked,
  timeLastUsedMs: row.time_last_used,
});
