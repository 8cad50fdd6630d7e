import type { Command } from 'commander';
import { parseSha256 } from '../arguments/sha256.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';

export const addSledDeny = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('deny')
      .description(
        'refuse the machine with this key, which asks to join without a token, until sled approve names it',
      )
      .argument('<sha256>', 'digest of the key, as sled list --pending shows it'),
    'tuf-depot sled deny 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  ).action(async (text: string, options: RemoteOptions) => {
    const public_key_sha256 = parseSha256(text, 'the digest of the key');
    await withDepot(session, options, depot =>
      depot.invitations.joinRequestDeny({ params: { public_key_sha256 } }),
    );
    present(session, options, { denied: public_key_sha256 }, () => [
      `The machine with the key ${public_key_sha256} may not join by it. To take that back: tuf-depot sled approve ${public_key_sha256}`,
    ]);
  });
};
