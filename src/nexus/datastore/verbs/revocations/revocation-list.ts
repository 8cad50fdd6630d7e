import { MAX_REVOCATIONS, mergeRevocations, type Revocation } from '../../../../core/revocation.ts';
import type { RevocationPort } from '../../ports/revocation-port.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';

export const revocationList =
  (transactions: Transactions): RevocationPort['revocationList'] =>
  wait =>
    transactions.read(
      'revocation_list',
      async db =>
        mergeRevocations(await expungedOf(db, 'nexus'), await expungedOf(db, 'sled'), await keysOf(db)),
      wait,
    );

const expungedOf = async (db: Database, kind: 'nexus' | 'sled'): Promise<Revocation[]> => {
  const rows = await db
    .selectFrom(kind)
    .select(['id', 'time_expunged'])
    .where('time_expunged', 'is not', null)
    .orderBy('time_expunged', 'desc')
    .limit(MAX_REVOCATIONS)
    .execute();
  return rows.flatMap(({ id, time_expunged: timeMs }) => (timeMs === null ? [] : { kind, id, timeMs }));
};

/** A sled that joined may be expunged before it has a row, and its key may be replaced. */
const keysOf = async (db: Database): Promise<Revocation[]> => {
  const rows = await db
    .selectFrom('sled_key')
    .select(['sled_id', 'time_expunged', 'time_replaced'])
    .where(key => key.or([key('time_expunged', 'is not', null), key('time_replaced', 'is not', null)]))
    .orderBy('time_joined', 'desc')
    .limit(MAX_REVOCATIONS)
    .execute();
  return rows.flatMap(({ sled_id: id, time_expunged, time_replaced }) =>
    [time_expunged, time_replaced].flatMap(timeMs => (timeMs === null ? [] : { kind: 'sled', id, timeMs })),
  );
};
