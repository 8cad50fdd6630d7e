/** The releases of a config, as sleds are offered them. */
import type { OfferedRelease } from '../../core/release-trust.ts';
import type { PresentRelease } from '../datastore/ports/wanted-set-port.ts';

type Offerable = Pick<PresentRelease, 'systemVersion' | 'bundle'>;

/**
 * An exemption is this Nexus's word, which counts at a sled without a pinned admin key.
 *
 * OFR1. Nexus gives its word only for a release that an admin has exempted by name. The kind of a bundle decides nothing: whoever can write
 *       to the database can record a release without metadata.
 */
export const offeredReleases = (releases: readonly Offerable[]): readonly OfferedRelease[] =>
  releases.flatMap(({ systemVersion, bundle }) =>
    bundle === undefined
      ? []
      : {
          systemVersion,
          bundle: bundle.sha256,
          isExempt: bundle.isExempted, // OFR1
        },
  );
