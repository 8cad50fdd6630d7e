/** Exempts one release from signatures: by a statement, where there is a signer, and then by the word of Nexus. */
import type { ReleaseReplication } from '../../api/operator-fleet-api.ts';
import type { SystemVersion } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Depot } from './depot-client.ts';
import { type Signer, sendStatement } from './statements.ts';

type Bundle = ReleaseReplication['bundle'];

/** Undefined before Nexus has made it, and from a Nexus of a version without bundles. */
export const bundleOf = async (depot: Depot, version: SystemVersion): Promise<Bundle> =>
  (await depot.fleet.releaseReplication({ params: { system_version: version } })).bundle;

/** @param bundle of the release, by {@link bundleOf}. @throws DepotError `NOT_FOUND` without one */
export const exemptRelease = async (
  depot: Depot,
  signer: Signer | undefined,
  { systemVersion, bundle }: { readonly systemVersion: SystemVersion; readonly bundle: Bundle },
  nowMs: number,
) => {
  const params = { system_version: systemVersion };
  if (bundle === undefined)
    throw new DepotError('NOT_FOUND', `Nexus has no bundle of release ${systemVersion} yet`, {
      detail: { remedy: 'Nexus makes one within a minute; then exempt the release again' },
    });
  const content = { kind: 'exempt_release', systemVersion, bundle: bundle.sha256 } as const;
  const statement = signer && (await sendStatement(depot, signer, content, nowMs));
  const exempted = await depot.updates.repositoryExempt({ params });
  return { ...exempted, ...(statement && { statement_id: statement.id }) };
};
