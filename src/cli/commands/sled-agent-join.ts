import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { isoTime } from '../../lib/clock.ts';
import { factLines } from '../output/table.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type JoinOptions = CommonOptions & { readonly config: string; readonly nexus?: string };

export const addSledAgentJoin = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('join')
      .description(
        'on the machine of a sled: use an invitation of tuf-depot sled invite, and write the certificate, key and authority that [identity] of the configuration names. Nothing is sent before the fleet is verified',
      )
      .argument('<token>', 'token of the invitation, or - to read it from standard input')
      .requiredOption('--config <file>', 'sled-agent.toml')
      .option('--nexus <host:port>', 'internal address of a Nexus (those in the configuration)'),
    'tuf-depot sled-agent join --config /etc/tuf-depot/sled-agent.toml - < token',
  ).action(async (word: string, options: JoinOptions) => {
    const { joinFleet } = await import('../../sled-agent/join.ts');
    const token = word === '-' ? (await text(session.stdin)).trim() : word;
    const { signal } = session;
    const joined = await joinFleet(resolve(session.directory, options.config), {
      ...{ token, nexus: options.nexus, signal },
    });
    const data = {
      sled_id: joined.sledId,
      fleet: joined.fleet,
      nexus: joined.nexus,
      not_after: isoTime(joined.notAfterMs),
      certificate_file: joined.files.certificateFile,
      key_file: joined.files.keyFile,
      ca_file: joined.files.authoritiesFile,
    };
    present(session, options, data, () => [
      `This machine has joined ${data.fleet} as sled ${data.sled_id}.`,
      ...factLines(
        [
          ['answered by', data.nexus],
          ['valid until', data.not_after],
          ['certificate', data.certificate_file],
          ['key', data.key_file],
          ['authority', data.ca_file],
        ],
        session.terminal.outStyle,
      ),
      '',
      `Next, start its agent: tuf-depot sled-agent --config ${options.config}`,
    ]);
  });
};
