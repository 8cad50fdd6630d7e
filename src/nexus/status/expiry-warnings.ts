/** When what this fleet trusts and holds expires: read from the database, judged by `core/expiry-warnings.ts`. */
import { type ExpiringRoot, expiryReasons } from '../../core/expiry-warnings.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import type { ReleaseRoles } from '../../core/release.ts';
import type { Clock } from '../../lib/clock.ts';
import { parseMetadata } from '../../tuf/metadata.ts';
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
    roots: roots.map(({ id, rootBytes }) => {
      const { version, expiresMs } = parseMetadata('root', rootBytes).signed;
      return { id, version, expiresMs };
    }),
  };
};

export const expiryReasonsOf = ({ releases, roots }: Expiries, clock: Clock): readonly HealthReason[] =>
  expiryReasons(releases, roots, clock.nowMs());
