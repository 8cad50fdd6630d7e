import { sql } from 'kysely';
import { databaseNow } from '../../database-time.ts';
import { ENDED_TOKENS_KEPT_MS, requireRoomForToken } from '../../decisions/operator-token.ts';
import type {
  NewOperatorToken,
  OperatorTokenPort,
  OperatorTokenRecord,
} from '../../ports/operator-token-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { toTokenRecord } from './operator-token-rows.ts';

export const operatorTokenCreate =
  (transactions: Transactions): OperatorTokenPort['operatorTokenCreate'] =>
  (token, { audit, signal }) =>
    transactions.write(
      'operator_token_create',
      async (db, attempt) => {
        const before = await findToken(db, token);
        if (before !== undefined) return before;
        await removeForgotten(db);
        requireRoomForToken(await countValid(db));
        const created = await insertToken(db, token);
        const { id: tokenId, role, description, timeExpiresMs: expiresMs } = created;
        await appendAudit(
          db,
          audit,
          { kind: 'token_created', tokenId, role, description, expiresMs },
          attempt,
        );
        return created;
      },
      { signal },
    );

const findToken = async (
  db: Database,
  { id }: NewOperatorToken,
): Promise<OperatorTokenRecord | undefined> => {
  const row = await db.selectFrom('operator_token').selectAll().where('id', '=', id).executeTakeFirst();
  return row && toTokenRecord(row);
};

const removeForgotten = async (db: Database): Promise<void> => {
  const limit = sql<number>`now() - ${ENDED_TOKENS_KEPT_MS / 1000} * interval '1 second'`;
  await db
    .deleteFrom('operator_token')
    .where(row => row.or([row('time_expires', '<', limit), row('time_revoked', '<', limit)]))
    .execute();
};

const countValid = async (db: Database): Promise<number> => {
  const { valid } = await db
    .selectFrom('operator_token')
    .select(({ fn }) => fn.countAll<number>().as('valid'))
    .where('time_revoked', 'is', null)
    .where('time_expires', '>', databaseNow)
    .executeTakeFirstOrThrow();
  return valid;
};

const insertToken = async (
  db: Database,
  { id, role, description, sha256, lifeMs }: NewOperatorToken,
): Promise<OperatorTokenRecord> => {
  const time_expires = sql<Date>`now() + ${lifeMs / 1000} * interval '1 second'`;
  const row = await db
    .insertInto('operator_token')
    .values({ id, role, description, sha256, time_expires })
    .returningAll()
    .executeTakeFirstOrThrow();
  return toTokenRecord(row);
};
