import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { invitationTable } from '../output/invitations.ts';
import { present, type Session } from '../session/session.ts';

export const addNexusInvitations = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('invitations')
      .description(
        'the invitations of Nexuses; those that ended long ago, and that nobody used, are forgotten',
      ),
    'tuf-depot nexus invitations',
  ).action(async (options: RemoteOptions) => {
    const { items } = await withDepot(session, options, depot => depot.invitations.nexusInvitationList());
    present(session, options, items, () =>
      items.length === 0
        ? ['No machine was invited: tuf-depot nexus invite']
        : invitationTable(session, items, [{ title: 'AS NEXUS', cell: each => each.nexus_id }]),
    );
  });
};
