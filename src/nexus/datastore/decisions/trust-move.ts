/**
 * A trust root moves forward: by the roots that a repository brought, and by the versions accepted under them.
 *
 * TM1. A chain has no gap and no second root of one version: a repository that was verified against an older state of it
 *      fits the present chain, or is refused.
 * TM2. Versions never fall, in any order of commits, and not by an allowed rollback; but removing keys in a newer root
 *      discards the versions that they signed (TUF 5.3.11).
 */
import type { AuditAction } from '../../../core/facts/audit.ts';
import type { TrustRootId } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { TrustedVersions } from '../../../tuf/rollback.ts';
import type { NewRoot, TrustMove, TrustRootRecord } from '../ports/trust-root-port.ts';
import { sha256Hex } from './audit-row.ts';

/**
 * It may have been deleted while a release was verified against it.
 *
 * @param present whether it exists and is not deleted
 * @throws `NO_TRUST_ROOT`
 */
export const requirePresent = (id: TrustRootId, present: boolean): void => {
  if (present) return;
  throw new DepotError(
    'NO_TRUST_ROOT',
    `trust root ${id}, which verified this release, has been deleted: create it again, or upload a release signed under another`,
  );
};

/**
 * TM1.
 *
 * @param recorded the root of that version in the chain, which is the new one if there was none
 * @throws `ROOT_CHAIN_BROKEN`
 */
export const requireSameRoot = (
  id: TrustRootId,
  { version, rootBytes }: NewRoot,
  recorded: Uint8Array,
): void => {
  if (Buffer.compare(recorded, rootBytes) === 0) return;
  throw new DepotError(
    'ROOT_CHAIN_BROKEN',
    `root ${version} of trust root ${id} was recorded with other bytes a moment ago: its signers made two roots of one version`,
    { detail: { trust_root: id, version } },
  );
};

/** TM2. */
export const movedVersions = (
  recorded: TrustedVersions | null,
  verified: TrustedVersions,
  { forgets }: { readonly forgets: boolean },
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

/**
 * The answer to a deletion: true if this attempt or an earlier one has deleted the root.
 *
 * @param root undefined when there never was one
 * @param repeated an earlier attempt of the same deletion may have been committed
 */
export const decideDelete = (
  root: { readonly deleted: boolean } | undefined,
  { repeated }: { readonly repeated: boolean },
): 'delete' | 'deleted' | 'absent' => {
  if (root === undefined) return 'absent';
  if (!root.deleted) return 'delete';
  return repeated ? 'deleted' : 'absent';
};

/** The audited action, if a root followed. */
export const trustRootAdvanced = (
  { roots }: Pick<TrustMove, 'roots'>,
  before: TrustRootRecord,
  after: TrustRootRecord,
): AuditAction<'trust_root_advanced'> | undefined => {
  const [rootSha256, previousRootSha256] = [sha256Hex(after.rootBytes), sha256Hex(before.rootBytes)];
  if (rootSha256 === previousRootSha256) return undefined;
  const rootVersions = roots.map(({ version }) => version);
  return { kind: 'trust_root_advanced', trustRootId: after.id, rootVersions, rootSha256, previousRootSha256 };
};
