import type { Command } from 'commander';
import type { JoinRequestView } from '../../api/operator-invitation-api.ts';
import { parseSha256 } from '../arguments/sha256.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge } from '../output/quantities.ts';
import { printable } from '../output/style.ts';
import { tableLines } from '../output/table.ts';
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

/** Of `sled list --pending`. */
export const presentPending = async (session: Session, options: RemoteOptions): Promise<void> => {
  const { items } = await withDepot(session, options, depot => depot.invitations.joinRequestList());
  const nowMs = session.clock.nowMs();
  const { outStyle: style, outColumns } = session.terminal;
  const age = (time: string | undefined): string =>
    time === undefined ? '-' : formatAge(Date.parse(time), nowMs);
  present(session, options, items, () =>
    items.length === 0
      ? ['No machine asks this Nexus to join by its key.']
      : tableLines(
          items,
          [
            { title: 'KEY', cell: (each: JoinRequestView) => each.public_key_sha256, paint: style.bold },
            { title: 'STATE', cell: each => each.state },
            { title: 'ADDRESS', cell: each => printable(each.address ?? '-') },
            { title: 'FIRST ASKED', cell: each => age(each.time_first_asked) },
            { title: 'LAST ASKED', cell: each => age(each.time_last_asked) },
            { title: 'DENIED', cell: each => age(each.time_denied) },
          ],
          { style, width: outColumns() },
        ),
  );
  if (items.some(({ state }) => state === 'waiting'))
    session.terminal.note(
      'A stranger may ask too: compare the digest with the screen of the machine itself before tuf-depot sled approve.',
    );
};
