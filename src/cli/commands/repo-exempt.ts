import type { Command } from 'commander';
import type { SystemVersion } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { parseVersion } from '../arguments/versions.ts';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { sendStatement, signerIfNeeded } from '../connection/statements.ts';
import { present, type Session } from '../session/session.ts';

export const addRepoExempt = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('exempt')
      .description(
        'let sleds store a release although no metadata that they verified vouches for all of it: one with parts of composites, one from before bundles, one of a signer that they do not trust',
      )
      .argument('<version>', 'system version of the release')
      .option(...ADMIN_KEY_OPTION),
    'tuf-depot repo exempt 1.1.0',
  ).action(async (version: string, options: AdminKeyOptions) => {
    const systemVersion = parseVersion(version);
    const exempted = await withDepot(session, options, depot =>
      exempt(session, options, depot, systemVersion),
    );
    present(session, options, exempted, () => [
      `Exempted ${exempted.system_version}: sleds store and serve what its bundle ${exempted.bundle} lists, whatever signed it.`,
      exempted.statement_id === undefined
        ? 'It is the word of this Nexus: sleds that believe an admin key wait for a statement.'
        : `Signed with the admin key: statement ${exempted.statement_id}, which Nexus tells every sled.`,
    ]);
  });
};

const exempt = async (
  session: Session,
  options: AdminKeyOptions,
  depot: Depot,
  systemVersion: SystemVersion,
) => {
  const params = { system_version: systemVersion };
  // Before the change: without the signature no sled with the key would believe it.
  const signer = await signerIfNeeded(session, options, depot);
  const { bundle } = await depot.fleet.releaseReplication({ params });
  if (bundle === undefined)
    throw new DepotError('NOT_FOUND', `Nexus has no bundle of release ${systemVersion} yet`, {
      detail: { remedy: 'Nexus makes one within a minute; then exempt the release again' },
    });
  const content = { kind: 'exempt_release', systemVersion, bundle: bundle.sha256 } as const;
  const statement = signer && (await sendStatement(depot, signer, content, session.clock.nowMs()));
  const exempted = await depot.updates.repositoryExempt({ params });
  return { ...exempted, ...(statement && { statement_id: statement.id }) };
};
