/**
 * When what this fleet trusts and holds expires: read from the database, judged by `core/expiry-warnings.ts`.
 *
 * A trust root whose successor is a trust root as well may expire: what it vouches for, the successor vouches for.
 */
import { type ExpiringRoot, expiryReasons } from '../../core/expiry-warnings.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import type { TrustRootId } from '../../core/ids.ts';
import type { ReleaseRoles } from '../../core/release.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Metadata, parseMetadata } from '../../tuf/metadata.ts';
import { ALL_SIGNATURES } from '../../tuf/signature-policy.ts';
import { isSuccessor } from '../../tuf/trusted-set.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import type { TrustRootPort } from '../datastore/ports/trust-root-port.ts';
import { allTrustRoots } from '../releases/upload/check-archive.ts';

export type Expiries = {
  readonly releases: readonly ReleaseRoles[];
  readonly roots: readonly ExpiringRoot[];
};

export const readExpiries = async (
  datastore: Pick<TrustRootPort, 'trustRootList'> & Pick<ReleasePort, 'releaseRoles'>,
  { signal }: { signal: AbortSignal },
): Promise<Expiries> => {
  const [roots, releases] = await Promise.all([
    allTrustRoots(datastore, signal),
    datastore.releaseRoles({ signal }),
  ]);
  return {
    releases,
    roots: withoutSucceeded(
      roots.map(({ id, rootBytes }) => ({ id, root: parseMetadata('root', rootBytes) })),
    ).map(({ id, root }) => ({ id, version: root.signed.version, expiresMs: root.signed.expiresMs })),
  };
};

type Pinned = { readonly id: TrustRootId; readonly root: Metadata<'root'> };

/** An operator has trusted both: which schemes of signatures vouch for releases does not matter here. */
const withoutSucceeded = (pinned: readonly Pinned[]): readonly Pinned[] =>
  pinned.filter(({ root: of }) => !pinned.some(({ root }) => isSuccessor(root, of, ALL_SIGNATURES)));

export const expiryReasonsOf = ({ releases, roots }: Expiries, clock: Clock): readonly HealthReason[] =>
  expiryReasons(releases, roots, clock.nowMs());
