/**
 * A trust root moves forward: by the roots that a repository brought, and by the versions accepted under them.
 *
 * TM1. A chain has no gap and no second root of one version: what was verified against an older state of it fits
 *      what is there now, or is refused.
 * TM2. Versions never fall, whatever order two uploads commit in, nor where a rollback was allowed explicitly; but
 *      keys that a newer root rotated away take the versions that they signed with them (TUF 5.3.11).
 */
import type { TrustRootId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Database } from './attempt.ts';
import type { NewRoot, TrustedVersions, TrustMove } from './datastore.ts';
import { toTrustedVersions } from './records.ts';

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

const moveVersions = async (db: Database, id: TrustRootId, move: TrustMove): Promise<void> => {
  if (move.trustedVersions === null) return;
  const row = await db
    .selectFrom('tuf_trust_root')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const moved = movedVersions(toTrustedVersions(row), move.trustedVersions, move.forgetsVersions);
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

/** TM2. */
const movedVersions = (
  recorded: TrustedVersions | null,
  verified: TrustedVersions,
  forgets: boolean,
): TrustedVersions => {
  if (recorded === null || (forgets && recorded.root < verified.root)) return verified;
  const delegated = new Map(recorded.delegated);
  for (const [name, version] of verified.delegated ?? [])
    delegated.set(name, Math.max(version, delegated.get(name) ?? 0));
  return {
    root: Math.max(recorded.root, verified.root),
    timestamp: Math.max(recorded.timestamp, verified.timestamp),
    snapshot: Math.max(recorded.snapshot, verified.snapshot),
    targets: Math.max(recorded.targets, verified.targets),
    ...(delegated.size > 0 && { delegated }),
  };
};
