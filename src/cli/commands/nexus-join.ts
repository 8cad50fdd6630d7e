import { resolve } from 'node:path';
import type { Command } from 'commander';
import { isoTime } from '../../lib/clock.ts';
import { identityFileRows, identityFilesData } from '../output/identity-files.ts';
import { factLines } from '../output/table.ts';
import { PASTE_TOKEN, readSecret } from '../session/prompt.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type JoinOptions = CommonOptions & { readonly config: string; readonly nexus?: string };

export const addNexusJoin = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('join')
      .description(
        'on the machine of a further Nexus: use an invitation of tuf-depot nexus invite, and write the certificate, key and authority that [identity] of the configuration names. Nothing is sent before the fleet is verified',
      )
      .argument('<token>', 'token of the invitation, or - to read it from standard input')
      .requiredOption('--config <file>', 'nexus.toml')
      .option('--nexus <host:port>', 'internal address of another Nexus (those in identity.nexus)'),
    'tuf-depot nexus join --config /etc/tuf-depot/nexus.toml - < token',
  ).action(async (word: string, options: JoinOptions) => {
    const { joinNexus } = await import('../../nexus/process/join.ts');
    const by = word === '-' ? await readSecret(session, PASTE_TOKEN) : word;
    const { signal, clock } = session;
    const joined = await joinNexus(resolve(session.directory, options.config), {
      ...{ by, nexus: options.nexus, clock, signal },
    });
    const data = {
      nexus_id: joined.nexusId,
      fleet: joined.identity.fleet,
      nexus: joined.nexus,
      not_after: isoTime(joined.notAfterMs),
      ...identityFilesData(joined.files),
    };
    present(session, options, data, () => [
      `This machine has joined ${data.fleet} as Nexus ${data.nexus_id}.`,
      ...factLines(
        [['answered by', data.nexus], ['valid until', data.not_after], ...identityFileRows(joined.files)],
        session.terminal.outStyle,
      ),
      '',
      `Next, start it: tuf-depot nexus --config ${options.config}`,
    ]);
  });
};
