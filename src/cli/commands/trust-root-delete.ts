import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';
import { parseTrustRootId } from './trust-root-show.ts';

export const addTrustRootDelete = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('delete')
      .description('stop trusting a root; releases already recorded are not affected')
      .argument('<id>'),
    'tuf-depot trust-root delete 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (id: string, options: RemoteOptions) => {
    const params = { trust_root_id: parseTrustRootId(id) };
    await withDepot(session, options, depot => depot.updates.trustRootDelete({ params }));
    present(session, options, { deleted: params.trust_root_id }, () => [
      `Trust root ${params.trust_root_id} is no longer trusted.`,
    ]);
  });
};
