import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { InvitedTo } from '../../identity/invitation-token.ts';
import { FleetName } from '../../identity/peer-identity.ts';
import { isoTime } from '../../lib/clock.ts';
import { messageChain } from '../../lib/errors.ts';
import type { JoinedSled } from '../../sled-agent/join-sled.ts';
import { parseSha256 } from '../arguments/sha256.ts';
import { usageError } from '../output/failure.ts';
import { identityFileRows, identityFilesData } from '../output/identity-files.ts';
import { factLines } from '../output/table.ts';
import { PASTE_TOKEN, readSecret } from '../session/prompt.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type JoinOptions = CommonOptions & {
  readonly config: string;
  readonly nexus?: string;
  readonly fleet?: string;
  readonly authorityKey?: string;
};

export const addSledAgentJoin = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('join')
      .description(
        'on the machine of a sled: use an invitation of tuf-depot sled invite, and write the certificate, key and authority that [identity] of the configuration names. Nothing is sent before the fleet is verified',
      )
      .argument('[token]', 'token of the invitation, or - to read it from standard input')
      .requiredOption('--config <file>', 'sled-agent.toml')
      .option('--fleet <name>', 'without a token, with --authority-key: wait until an admin approves the key')
      .option(
        '--authority-key <sha256>',
        'digest of the public key of the authority, as identity show has it',
      )
      .option('--nexus <host:port>', 'internal address of a Nexus (those in the configuration)'),
    'tuf-depot sled-agent join --config /etc/tuf-depot/sled-agent.toml - < token',
  ).action(async (word: string | undefined, options: JoinOptions) => {
    const { joinSled } = await import('../../sled-agent/join-sled.ts');
    const by = await invitationOf(word, options, session);
    const { signal, clock, terminal } = session;
    const onWaiting = (key: string): void =>
      terminal.note(
        `This machine waits until an admin approves its key, which has the SHA-256 ${key}. Where that admin works: tuf-depot sled approve ${key}`,
      );
    const onUnanswered = (error: unknown): void =>
      terminal.note(`It goes on asking every few seconds: ${messageChain(error)}`);
    const joined = await joinSled(resolve(session.directory, options.config), {
      ...{ by, nexus: options.nexus, onWaiting, onUnanswered, clock, signal },
    });
    const data = {
      sled_id: joined.sledId,
      fleet: joined.identity.fleet,
      nexus: joined.nexus,
      not_after: isoTime(joined.notAfterMs),
      ...identityFilesData(joined.files),
      admin_key_sha256: joined.pinned?.adminKeySha256 ?? null,
      pinned_roots: joined.pinned?.roots ?? [],
    };
    if (data.admin_key_sha256 === null && data.pinned_roots.length === 0)
      terminal.note(
        `This sled has pinned nothing, and stores whatever any Nexus tells it. Before you start its agent, name admin_key_files and root_files in [trust] of ${options.config}; copy the files from a machine that you trust.`,
      );
    present(session, options, data, () => [
      `This machine has joined ${data.fleet} as sled ${data.sled_id}.`,
      ...factLines(
        [
          ['answered by', data.nexus],
          ['valid until', data.not_after],
          ...identityFileRows(joined.files),
          ...pinLines(joined.pinned),
        ],
        session.terminal.outStyle,
      ),
      '',
      `Next, start its agent: tuf-depot sled-agent --config ${options.config}`,
    ]);
  });
};

const pinLines = (pinned: JoinedSled['pinned']): readonly (readonly [string, string])[] => {
  if (pinned === undefined)
    return [
      ['pins', 'nothing: neither an approval nor a token of version 1 names trust roots or an admin key'],
    ];
  const { adminKeySha256, roots } = pinned;
  const lines: (readonly [string, string])[] = roots.map(({ sha256, version }) => [
    'pins root',
    `version ${version}, SHA-256 ${sha256}`,
  ]);
  if (adminKeySha256 !== undefined) lines.push(['pins admin key', `SHA-256 ${adminKeySha256}`]);
  return lines.length > 0 ? lines : [['pins', 'nothing: the fleet has no trust root and no admin key yet']];
};

const invitationOf = async (
  word: string | undefined,
  { fleet, authorityKey }: JoinOptions,
  session: Session,
): Promise<string | InvitedTo> => {
  const isNamed = fleet !== undefined || authorityKey !== undefined;
  if (word !== undefined && isNamed)
    throw usageError('a token names the fleet and its authority', 'leave --fleet and --authority-key out');
  if (word !== undefined) return word === '-' ? await readSecret(session, PASTE_TOKEN) : word;
  if (fleet === undefined || authorityKey === undefined)
    throw usageError(
      'the token of an invitation is missing',
      'tuf-depot sled invite makes one; without one give --fleet and --authority-key',
    );
  const name = FleetName.safeParse(fleet);
  if (!name.success) throw usageError(`--fleet ${fleet} is no name of a fleet`, 'identity show has it');
  return { fleet: name.data, authoritySha256: parseSha256(authorityKey, '--authority-key') };
};
