/** The releases of a config, as sleds are offered them. */
import type { OfferedRelease } from '../../core/release-trust.ts';
import type { PresentRelease } from '../datastore/ports/wanted-set-port.ts';

type Offerable = Pick<PresentRelease, 'systemVersion' | 'bundle'>;

/**
 * The exemption is this Nexus's word, which counts at a sled without a pinned admin key: for artifacts that no signature covers, since they
 * were recorded before bundles were, or are parts of a signed composite artifact that a Nexus has split; and where an admin decided so.
 */
export const offeredReleases = (releases: readonly Offerable[]): readonly OfferedRelease[] =>
  releases.flatMap(({ systemVersion, bundle }) =>
    bundle === undefined
      ? []
      : {
          systemVersion,
          bundle: bundle.sha256,
          isExempt: bundle.isExempted || bundle.kind !== 'signed',
        },
  );
