import type { Command } from 'commander';
import { DEFAULT_INVITATION_LIFE_S } from '../../api/operator-invitation-api.ts';
import { parseNexusId } from '../arguments/id.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
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
