import type { Command } from 'commander';
import { parseVersion } from '../arguments/versions.ts';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { bundleOf, exemptRelease } from '../connection/exempt-release.ts';
import { signerIfNeeded } from '../connection/statements.ts';
import { present, type Session } from '../session/session.ts';

export const addRepoExempt = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('exempt')
      .description(
        'let sleds store a release although no metadata that they verified vouches for all of it: one with parts of composite artifacts, one recorded before Nexus kept metadata, or one of a signer that the sleds do not trust',
      )
      .argument('<version>', 'system version of the release')
      .option(...ADMIN_KEY_OPTION),
    'tuf-depot repo exempt 1.1.0',
  ).action(async (version: string, options: AdminKeyOptions) => {
    const systemVersion = parseVersion(version);
    const exempted = await withDepot(session, options, async depot => {
      // Before the change: without the signature no sled with the key would believe it.
      const signer = await signerIfNeeded(session, options, depot);
      const release = { systemVersion, bundle: await bundleOf(depot, systemVersion) };
      return await exemptRelease(depot, signer, release, session.clock.nowMs());
    });
    present(session, options, exempted, () => [
      `Exempted ${exempted.system_version}: sleds store and serve what its bundle ${exempted.bundle} lists, whatever signed it.`,
      exempted.statement_id === undefined
        ? 'It is the word of this Nexus: sleds that believe an admin key wait for a statement.'
        : `Signed with the admin key: statement ${exempted.statement_id}, which Nexus tells every sled.`,
    ]);
  });
};
