/** Reads and writes the rows of a trust root that moves; decisions/trust-move.ts has the rules (TM1, TM2). */
import type { TrustRootId } from '../../../../core/ids.ts';
import { movedVersions, requirePresent, requireSameRoot } from '../../decisions/trust-move.ts';
import type { NewRoot, TrustMove } from '../../ports/trust-root-port.ts';
import { toTrustedVersions } from '../../records.ts';
import type { Database } from '../../tables.ts';

/** It may have been deleted while a release was verified against it. @throws `NO_TRUST_ROOT` */
export const requireTrustRoot = async (db: Database, id: TrustRootId): Promise<void> => {
  const row = await db
    .selectFrom('tuf_trust_root')
    .select('id')
    .where('id', '=', id)
    .where('time_deleted', 'is', null)
    .executeTakeFirst();
  requirePresent(id, row !== undefined);
};

/** @throws `ROOT_CHAIN_BROKEN` (TM1) */
export const moveTrustRoot = async (db: Database, id: TrustRootId, move: TrustMove): Promise<void> => {
  for (const root of move.roots) await addRoot(db, id, root);
  await moveVersions(db, id, move);
};

const addRoot = async (db: Database, id: TrustRootId, root: NewRoot): Promise<void> => {
  const { version } = root;
  const bytes = Buffer.from(root.rootBytes);
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
  requireSameRoot(id, root, recorded.root_bytes);
};

const moveVersions = async (db: Database, id: TrustRootId, move: TrustMove): Promise<void> => {
  if (move.trustedVersions === null) return;
  const row = await db
    .selectFrom('tuf_trust_root')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const moved = movedVersions(toTrustedVersions(row), move.trustedVersions, {
    forgets: move.forgetsVersions,
  });
  const { delegated } = moved;
  await db
    .updateTable('tuf_trust_root')
    .set({
      accepted_root_version: moved.root,
      accepted_timestamp_version: moved.timestamp,
      accepted_snapshot_version: moved.snapshot,
      accepted_targets_version: moved.targets,
      accepted_delegated: delegated === undefined ? null : JSON.stringify(Object.fromEntries(delegated)),
    })
    .where('id', '=', id)
    .execute();
};
