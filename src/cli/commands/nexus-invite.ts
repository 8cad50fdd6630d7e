import type { Command } from 'commander';
import { DEFAULT_INVITATION_LIFE_S } from '../../api/operator-invitation-api.ts';
import { InvitationId, NexusId } from '../../core/ids.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { usageError } from '../output/failure.ts';
import { formatAge } from '../output/quantities.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';
import { parseLife } from './sled-invite.ts';

type InviteOptions = RemoteOptions & { readonly id?: string; readonly for?: string };

export const addNexusInvite = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('invite')
      .description(
        'invite a machine to join the fleet as a further Nexus, once; the token is printed once, on standard output, and only its hash is stored',
      )
      .option('--id <nexus>', 'as this Nexus, which the database knows, with a new key (as a new one)')
      .option('--for <time>', `how long it is valid, such as 30m (${DEFAULT_INVITATION_LIFE_S / 3600}h)`),
    'tuf-depot nexus invite --for 30m',
  ).action(async (options: InviteOptions) => {
    const nexusId = options.id === undefined ? undefined : parseNexusId(options.id);
    const lifeS = options.for === undefined ? undefined : parseLife(options.for);
    const created = await withDepot(session, options, depot =>
      depot.invitations.nexusInvitationCreate({
        body: {
          ...(nexusId !== undefined && { nexus_id: nexusId }),
          ...(lifeS !== undefined && { expires_in_s: lifeS }),
        },
      }),
    );
    present(session, options, created, () => [created.token]);
    session.terminal.note(
      `One machine may join ${created.fleet} with it as Nexus ${created.nexus_id} until ${created.time_expires}. It is not shown again. To end it before: tuf-depot nexus uninvite ${created.id}`,
    );
    session.terminal.note(
      'On that machine, with its nexus.toml written, run this, paste the token when it asks for it, and press Enter:\n  tuf-depot nexus join --config FILE -',
    );
  });
};

const parseNexusId = (text: string): NexusId => {
  const id = NexusId.safeParse(text);
  if (id.success) return id.data;
  throw usageError(`${text} is not the id of a Nexus`, 'tuf-depot nexus list shows the ids');
};

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
    const nowMs = session.clock.nowMs();
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, items, () =>
      items.length === 0
        ? ['No machine was invited: tuf-depot nexus invite']
        : tableLines(
            items,
            [
              { title: 'ID', cell: each => each.id, paint: style.bold },
              { title: 'STATE', cell: each => each.state },
              { title: 'CREATED', cell: each => formatAge(Date.parse(each.time_created), nowMs) },
              { title: 'EXPIRES', cell: each => each.time_expires },
              { title: 'AS NEXUS', cell: each => each.nexus_id },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};

export const addNexusUninvite = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('uninvite')
      .description('end an invitation that no machine has used')
      .argument('<id>', 'as nexus invitations shows it'),
    'tuf-depot nexus uninvite 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (text: string, options: RemoteOptions) => {
    const id = InvitationId.safeParse(text);
    if (!id.success)
      throw usageError(`${text} is not the id of an invitation`, 'tuf-depot nexus invitations shows the ids');
    await withDepot(session, options, depot =>
      depot.invitations.nexusInvitationEnd({ params: { invitation_id: id.data } }),
    );
    present(session, options, { ended: id.data }, () => [`Invitation ${id.data} is ended.`]);
  });
};
