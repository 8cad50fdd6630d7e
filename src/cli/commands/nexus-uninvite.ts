import type { Command } from 'commander';
import { InvitationId } from '../../core/ids.ts';
import { parseId } from '../arguments/id.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';

export const addNexusUninvite = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('uninvite')
      .description('end an invitation that no machine has used')
      .argument('<id>', 'as nexus invitations shows it'),
    'tuf-depot nexus uninvite 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (text: string, options: RemoteOptions) => {
    const id = parseId(InvitationId, text, 'an invitation', 'tuf-depot nexus invitations');
    await withDepot(session, options, depot =>
      depot.invitations.nexusInvitationEnd({ params: { invitation_id: id } }),
    );
    present(session, options, { ended: id }, () => [`Invitation ${id} is ended.`]);
  });
};
