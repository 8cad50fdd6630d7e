import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge } from '../output/quantities.ts';
import { tableLines } from '../output/table.ts';
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
    const nowMs = session.clock.nowMs();
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, items, () =>
      items.length === 0
        ? ['No machine was invited: tuf-depot sled invite']
        : tableLines(
            items,
            [
              { title: 'ID', cell: each => each.id, paint: style.bold },
              { title: 'STATE', cell: each => each.state },
              { title: 'CREATED', cell: each => formatAge(Date.parse(each.time_created), nowMs) },
              { title: 'EXPIRES', cell: each => each.time_expires },
              { title: 'FOR SLED', cell: each => each.sled_id ?? 'a new one' },
              { title: 'REPLACES', cell: each => each.replaces_sled_id ?? '-' },
              { title: 'JOINED AS', cell: each => each.joined_sled_id ?? '-' },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};
