import type { Command } from 'commander';
import {
  DEFAULT_INVITATION_LIFE_S,
  MAX_INVITATION_LIFE_S,
  MIN_INVITATION_LIFE_S,
} from '../../api/operator-invitation-api.ts';
import { durationMs } from '../arguments/duration.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { findSled } from '../connection/find-sled.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

type InviteOptions = RemoteOptions & {
  readonly sled?: string;
  readonly replaces?: string;
  readonly for?: string;
};

export const addSledInvite = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('invite')
      .description(
        'invite a machine to join the fleet, once; the token is printed once, on standard output, and only its hash is stored',
      )
      .option('--sled <sled>', 'id or serial number of the sled that the machine joins as (a new one)')
      .option('--replaces <sled>', 'id or serial number of the sled that the join expunges')
      .option('--for <time>', `how long it is valid, such as 30m (${DEFAULT_INVITATION_LIFE_S / 3600}h)`),
    'tuf-depot sled invite --for 30m',
  ).action(async (options: InviteOptions) => {
    const { sled, replaces } = options;
    if (sled !== undefined && replaces !== undefined)
      throw usageError('--sled and --replaces exclude each other', 'give one');
    const lifeS = options.for === undefined ? undefined : parseLife(options.for);
    const created = await withDepot(session, options, async depot => {
      const idOf = async (name: string | undefined) =>
        name === undefined ? undefined : (await findSled(depot, name)).id;
      const [sledId, replacesId] = [await idOf(sled), await idOf(replaces)];
      return await depot.invitations.invitationCreate({
        body: {
          ...(sledId !== undefined && { sled_id: sledId }),
          ...(replacesId !== undefined && { replaces_sled_id: replacesId }),
          ...(lifeS !== undefined && { expires_in_s: lifeS }),
        },
      });
    });
    present(session, options, created, () => [created.token]);
    session.terminal.note(
      `One machine may join ${created.fleet} with it until ${created.time_expires}. It is not shown again. To end it before: tuf-depot sled uninvite ${created.id}`,
    );
    session.terminal.note(
      'On that machine, with its sled-agent.toml written: tuf-depot sled-agent join --config FILE TOKEN',
    );
  });
};

const parseLife = (text: string): number => {
  const ms = durationMs(text);
  if (ms !== undefined && ms >= MIN_INVITATION_LIFE_S * 1000 && ms <= MAX_INVITATION_LIFE_S * 1000)
    return Math.round(ms / 1000);
  throw usageError(
    `--for ${text} is not a time that an invitation may be valid`,
    `give ${MIN_INVITATION_LIFE_S}s to ${MAX_INVITATION_LIFE_S / 86_400}d, such as 30m or 12h`,
  );
};
