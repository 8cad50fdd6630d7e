import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { invitationTable } from '../output/invitations.ts';
import { printable } from '../output/style.ts';
import { present, type Session } from '../session/session.ts';

export const addSledInvitations = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('invitations')
      .description(
        'the invitations, and which sled joined with each; those that ended long ago are forgotten',
      ),
    'tuf-depot sled invitations',
  ).action(async (options: RemoteOptions) => {
    const { items } = await withDepot(session, options, depot => depot.invitations.invitationList());
    present(session, options, items, () =>
      items.length === 0
        ? ['No machine was invited: tuf-depot sled invite']
        : invitationTable(session, items, [
            { title: 'FOR SLED', cell: each => each.sled_id ?? 'a new one' },
            { title: 'SERIAL', cell: each => printable(each.serial ?? '-') },
            { title: 'REPLACES', cell: each => each.replaces_sled_id ?? '-' },
            { title: 'JOINED AS', cell: each => each.joined_sled_id ?? '-' },
          ]),
    );
  });
};
