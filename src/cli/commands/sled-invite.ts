import type { Command } from 'commander';
import { SerialNumber } from '../../api/internal-api.ts';
import {
  type CreatedInvitation,
  DEFAULT_INVITATION_LIFE_S,
  MAX_INVITATION_LIFE_S,
  MIN_INVITATION_LIFE_S,
} from '../../api/operator-invitation-api.ts';
import { isArtifactHash } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { durationMs } from '../arguments/duration.ts';
import { findAdminKey } from '../connection/admin-key-file.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { findSled } from '../connection/find-sled.ts';
import { usageError } from '../output/failure.ts';
import { printable } from '../output/style.ts';
import { present, type Session } from '../session/session.ts';
import { findPendingSled } from './pending-machines.ts';

type InviteOptions = RemoteOptions & {
  readonly sled?: string;
  readonly replaces?: string;
  readonly serial?: string;
  readonly for?: string;
};

export const addSledInvite = (parent: Command, session: Session): void => {
  withInviteOptions(
    parent
      .command('invite')
      .description(
        'invite a machine to join the fleet, once; the token is printed once, on standard output, and only its hash is stored',
      ),
    'tuf-depot sled invite --for 30m',
  ).action(async (options: InviteOptions) => {
    const created = await createInvitation(session, options, {});
    const isOwnKey = await namesOwnKey(session, options, created);
    present(session, options, created, () => [created.token ?? '']);
    session.terminal.note(
      `${whichMachine(created)} may join ${created.fleet} with it until ${created.time_expires}. It is not shown again. To end it before: tuf-depot sled uninvite ${created.id}`,
    );
    session.terminal.note(pinsText(created, isOwnKey));
    session.terminal.note(
      'On that machine, with its sled-agent.toml written, run this, paste the token when it asks for it, and press Enter:\n  tuf-depot sled-agent join --config FILE -',
    );
  });
};

export const addSledApprove = (parent: Command, session: Session): void => {
  withInviteOptions(
    parent
      .command('approve')
      .description(
        'let the machine with this key join the fleet, which waits for it in sled-agent join; or let a sled register that a restored database has forgotten',
      )
      .argument(
        '<machine>',
        'digest of the key, as that machine shows it; or id or serial number of a sled of sled list --pending',
      ),
    'tuf-depot sled approve 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  ).action(async (text: string, options: InviteOptions) => {
    if (!isArtifactHash(text)) return await approveSled(session, options, text);
    const created = await createInvitation(session, options, { public_key_sha256: text });
    present(session, options, created, () => [
      `The machine with the key ${text}${created.serial === undefined ? '' : `, if it reports the serial number ${printable(created.serial)},`} may join ${created.fleet} until ${created.time_expires}.`,
      `To end that before it has: tuf-depot sled uninvite ${created.id}`,
    ]);
  });
};

/** RI4. */
const approveSled = async (session: Session, options: InviteOptions, name: string): Promise<void> => {
  for (const given of ['sled', 'replaces', 'serial', 'for'] as const)
    if (options[given] !== undefined)
      throw usageError(
        `--${given} is for the digest of a key, and ${name} is none`,
        'the digest has 64 hex digits',
      );
  const sled = await withDepot(session, options, async depot => {
    const found = await findPendingSled(depot, name);
    await depot.invitations.pendingSledApprove({ params: { sled_id: found.id } });
    return found;
  });
  present(session, options, { approved: sled.id, serial: sled.serial }, () => [
    `Sled ${printable(sled.serial)} (${sled.id}) is approved, with the key ${sled.public_key_sha256}. It registers by itself within a minute.`,
  ]);
};

/**
 * Whether the key that the machine pins is the one that this person signs with.
 *
 * @throws `CONFIG_INVALID` if the person names another one: a Nexus that lies exchanged it
 */
const namesOwnKey = async (
  session: Session,
  options: InviteOptions,
  { id, fleet, admin_key_sha256: key }: CreatedInvitation,
): Promise<boolean> => {
  if (key === undefined) return false;
  try {
    return (await findAdminKey(options, session, { fleet, known: [key] })) !== undefined;
  } catch (error) {
    session.terminal.note(`The token is not shown. End the invitation: tuf-depot sled uninvite ${id}`);
    throw error;
  }
};

const whichMachine = ({ serial }: CreatedInvitation): string =>
  serial === undefined ? 'One machine' : `The machine with the serial number ${printable(serial)}`;

/** What the machine will believe, for the person to compare. */
const pinsText = (
  { admin_key_sha256: key, root_sha256s: roots = [] }: CreatedInvitation,
  isOwnKey: boolean,
): string => {
  const whose = isOwnKey ? 'your own admin key,' : 'the admin key';
  const keyText = key === undefined ? undefined : `${whose} with the SHA-256 ${key}`;
  const rootText = roots.length === 0 ? undefined : `the trust roots with the SHA-256 ${roots.join(', ')}`;
  const pinned = [keyText, rootText].filter(each => each !== undefined);
  return pinned.length === 0
    ? 'It names no trust root and no admin key: that machine will store what a Nexus lists, without verifying releases itself.'
    : `That machine pins ${pinned.join(', and ')}. Compare them with your own.`;
};

const withInviteOptions = (command: Command, example: string): Command =>
  withRemoteOptions(
    command
      .option('--sled <sled>', 'id or serial number of the sled that the machine joins as (a new one)')
      .option('--replaces <sled>', 'id or serial number of the sled that the join expunges')
      .option('--serial <serial>', 'serial number that the machine has to have in its sled-agent.toml (any)')
      .option('--for <time>', `how long it is valid, such as 30m (${DEFAULT_INVITATION_LIFE_S / 3600}h)`),
    example,
  );

const createInvitation = async (
  session: Session,
  options: InviteOptions,
  machine: { readonly public_key_sha256?: string },
): Promise<CreatedInvitation> => {
  const { sled, replaces, serial } = options;
  if (sled !== undefined && replaces !== undefined)
    throw usageError('--sled and --replaces exclude each other', 'give one');
  if (serial !== undefined && !SerialNumber.safeParse(serial).success)
    throw usageError(
      `--serial ${printable(serial)} is no serial number`,
      'sled-agent.toml of the machine has it',
    );
  const lifeS = options.for === undefined ? undefined : parseLife(options.for);
  return await withDepot(session, options, async depot => {
    const idOf = async (name: string | undefined) =>
      name === undefined ? undefined : (await findSled(depot, name)).id;
    const [sledId, replacesId] = [await idOf(sled), await idOf(replaces)];
    const created = await depot.invitations.invitationCreate({
      body: {
        ...machine,
        ...(sledId !== undefined && { sled_id: sledId }),
        ...(replacesId !== undefined && { replaces_sled_id: replacesId }),
        ...(serial !== undefined && { serial }),
        ...(lifeS !== undefined && { expires_in_s: lifeS }),
      },
    });
    if (serial !== undefined && created.serial === undefined) throw await endUnbound(depot, created);
    return created;
  });
};

/** A Nexus of a version before ignores the field: the invitation would let any machine join. */
const endUnbound = async (depot: Depot, { id }: CreatedInvitation): Promise<DepotError> => {
  await depot.invitations.invitationEnd({ params: { invitation_id: id } });
  return new DepotError(
    'PEER_BAD_ANSWER',
    `this Nexus is of a version that does not know --serial, and would let any machine join with the invitation: it is ended (${id})`,
    { detail: { remedy: 'upgrade this Nexus, or leave --serial out' } },
  );
};

/** Of `--for`, in seconds. */
export const parseLife = (text: string): number => {
  const ms = durationMs(text);
  if (ms !== undefined && ms >= MIN_INVITATION_LIFE_S * 1000 && ms <= MAX_INVITATION_LIFE_S * 1000)
    return Math.round(ms / 1000);
  throw usageError(
    `--for ${text} is not a time that an invitation may be valid`,
    `give ${MIN_INVITATION_LIFE_S}s to ${MAX_INVITATION_LIFE_S / 86_400}d, such as 30m or 12h`,
  );
};
