import type { Command } from 'commander';
import { OperatorTokenId } from '../../core/ids.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

export const addTokenRevoke = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('revoke')
      .description('refuse a token from now on; other Nexus instances follow within a minute')
      .argument('<id>', 'as token list shows it'),
    'tuf-depot token revoke 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (text: string, options: RemoteOptions) => {
    const id = OperatorTokenId.safeParse(text);
    if (!id.success)
      throw usageError(`${text} is not the id of a token`, 'tuf-depot token list shows the ids');
    await withDepot(session, options, depot => depot.access.tokenRevoke({ params: { token_id: id.data } }));
    present(session, options, { revoked: id.data }, () => [`Token ${id.data} is revoked.`]);
  });
};
