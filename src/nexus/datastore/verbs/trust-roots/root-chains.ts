/** The roots that followed each trust root; the first root of a chain is in the row of the trust root itself. */
import type { TrustRootId } from '../../../../core/ids.ts';
import type { Database } from '../../tables.ts';

/** The newest root of each trust root that has successors. */
export const newestRoots = async (
  db: Database,
  ids: readonly TrustRootId[],
): Promise<ReadonlyMap<TrustRootId, Buffer>> => {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('tuf_trust_root_chain as root')
    .select(['root.trust_root_id', 'root.root_bytes'])
    .where('root.trust_root_id', 'in', ids)
    .where('root.version', '=', newest =>
      newest
        .selectFrom('tuf_trust_root_chain as each')
        .select(({ fn }) => fn.max('each.version').as('version'))
        .whereRef('each.trust_root_id', '=', 'root.trust_root_id'),
    )
    .execute();
  return new Map(rows.map(row => [row.trust_root_id, row.root_bytes]));
};
