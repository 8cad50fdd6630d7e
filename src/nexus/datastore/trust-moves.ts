/**
 * A trust root moves forward: by the roots that a repository brought, and by the versions accepted under them.
 *
 * TM1. A chain has no gap and no second root of one version: what was verified against an older state of it fits
 *      what is there now, or is refused.
 * TM2. Versions never fall, whatever order two uploads commit in, nor where a rollback was allowed explicitly; but
 *      keys that a newer root rotated away take the versions that they signed with them (TUF 5.3.11).
 */
import { type ExpressionBuilder, sql } from 'kysely';
import type { TrustRootId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Database } from './attempt.ts';
import type { NewRoot, TrustMove } from './datastore.ts';
import type { Tables } from './tables.ts';

/** It may have been deleted while a release was verified against it. @throws `NO_TRUST_ROOT` */
export const requireTrustRoot = async (db: Database, id: TrustRootId): Promise<void> => {
  const row = await db
    .selectFrom('tuf_trust_root')
    .select('id')
    .where('id', '=', id)
    .where('time_deleted', 'is', null)
    .executeTakeFirst();
  if (row !== undefined) return;
  throw new DepotError(
    'NO_TRUST_ROOT',
    `trust root ${id}, which verified this release, has been deleted: create it again, or upload a release signed under another`,
  );
};

/** @throws `ROOT_CHAIN_BROKEN` (TM1) */
export const moveTrustRoot = async (db: Database, id: TrustRootId, move: TrustMove): Promise<void> => {
  for (const root of move.roots) await addRoot(db, id, root);
  await moveVersions(db, id, move);
};

const addRoot = async (db: Database, id: TrustRootId, { version, rootBytes }: NewRoot): Promise<void> => {
  const bytes = Buffer.from(rootBytes);
  await db
    .insertInto('tuf_trust_root_chain')
    .values({ trust_root_id: id, version, root_bytes: bytes })
    .onConflict(conflict => conflict.columns(['trust_root_id', 'version']).doNothing())
    .execute();
  const recorded = await db
    .selectFrom('tuf_trust_root_chain')
    .select('root_bytes')
    .where('trust_root_id', '=', id)
    .where('version', '=', version)
    .executeTakeFirstOrThrow();
  if (recorded.root_bytes.equals(bytes)) return;
  throw new DepotError(
    'ROOT_CHAIN_BROKEN',
    `root ${version} of trust root ${id} was recorded with other bytes a moment ago: its signers made two roots of one version`,
    { detail: { trust_root: id, version } },
  );
};

const moveVersions = async (
  db: Database,
  id: TrustRootId,
  { trustedVersions: versions, forgetsVersions }: TrustMove,
): Promise<void> => {
  if (versions === null) return;
  const column = (role: keyof typeof versions) => `accepted_${role}_version` as const;
  const highest = (role: keyof typeof versions) => (db: Columns) =>
    sql<number>`greatest(coalesce(${db.ref(column(role))}, 0), CAST(${versions[role]} AS INT8))`;
  const forgets = (role: keyof typeof versions) => (db: Columns) =>
    sql<number>`CASE WHEN coalesce(${db.ref('accepted_root_version')}, 0) < CAST(${versions.root} AS INT8)
      THEN CAST(${versions[role]} AS INT8) ELSE ${highest(role)(db)} END`;
  const moved = forgetsVersions ? forgets : highest;
  await db
    .updateTable('tuf_trust_root')
    .set({
      accepted_root_version: highest('root'),
      accepted_timestamp_version: moved('timestamp'),
      accepted_snapshot_version: moved('snapshot'),
      accepted_targets_version: moved('targets'),
    })
    .where('id', '=', id)
    .execute();
};

type Columns = ExpressionBuilder<Tables, 'tuf_trust_root'>;
