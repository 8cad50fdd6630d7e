/** Rows of revocations: one of each identity, which is never removed. */
import { sql } from 'kysely';
import type { Revocation } from '../../../../core/revocation.ts';
import { REVOCATION_STEP_MS } from '../../decisions/revoke.ts';
import type { Database } from '../../tables.ts';

type Identity = Pick<Revocation, 'kind' | 'id'>;

/** From now on, as decisions/revoke.ts. */
export const revoke = async (db: Database, identity: Identity): Promise<void> => {
  await db
    .insertInto('identity_revocation')
    .values({ ...identity, time_revoked: sql<Date>`now()` })
    .onConflict(conflict =>
      conflict.columns(['kind', 'id']).doUpdateSet({
        time_revoked: sql<Date>`greatest(now(), identity_revocation.time_revoked + ${REVOCATION_STEP_MS / 1000} * interval '1 second')`,
      }),
    )
    .execute();
};

/** Null for an identity that was never revoked. */
export const readRevocationMs = async (db: Database, { kind, id }: Identity): Promise<number | null> => {
  const row = await db
    .selectFrom('identity_revocation')
    .select('time_revoked')
    .where('kind', '=', kind)
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.time_revoked ?? null;
};
