import type { Command } from 'commander';
import { OperatorTokenId } from '../../core/ids.ts';
import { parseId } from '../arguments/id.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';

export const addTokenRevoke = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('revoke')
      .description('refuse a token from now on; other Nexus instances follow within a minute')
      .argument('<id>', 'as token list shows it'),
    'tuf-depot token revoke 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (text: string, options: RemoteOptions) => {
    const id = parseId(OperatorTokenId, text, 'a token', 'tuf-depot token list');
    await withDepot(session, options, depot => depot.access.tokenRevoke({ params: { token_id: id } }));
    present(session, options, { revoked: id }, () => [`Token ${id} is revoked.`]);
  });
};
