/** Exempts one release from signatures: by a statement, where there is a signer, and then by the word of Nexus. */
import type { SystemVersion } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Depot } from './depot-client.ts';
import { type Signer, sendStatement } from './statements.ts';

export const exemptRelease = async (
  depot: Depot,
  signer: Signer | undefined,
  systemVersion: SystemVersion,
  nowMs: number,
) => {
  const params = { system_version: systemVersion };
  const { bundle } = await depot.fleet.releaseReplication({ params });
  if (bundle === undefined)
    throw new DepotError('NOT_FOUND', `Nexus has no bundle of release ${systemVersion} yet`, {
      detail: { remedy: 'Nexus makes one within a minute; then exempt the release again' },
    });
  const content = { kind: 'exempt_release', systemVersion, bundle: bundle.sha256 } as const;
  const statement = signer && (await sendStatement(depot, signer, content, nowMs));
  const exempted = await depot.updates.repositoryExempt({ params });
  return { ...exempted, ...(statement && { statement_id: statement.id }) };
};
