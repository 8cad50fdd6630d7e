import type { Command } from 'commander';
import { InvitationId } from '../../core/ids.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

export const addSledUninvite = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('uninvite')
      .description('end an invitation that no machine has used')
      .argument('<id>', 'as sled invitations shows it'),
    'tuf-depot sled uninvite 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (text: string, options: RemoteOptions) => {
    const id = InvitationId.safeParse(text);
    if (!id.success)
      throw usageError(`${text} is not the id of an invitation`, 'tuf-depot sled invitations shows the ids');
    await withDepot(session, options, depot =>
      depot.invitations.invitationEnd({ params: { invitation_id: id.data } }),
    );
    present(session, options, { ended: id.data }, () => [`Invitation ${id.data} is ended.`]);
  });
};
