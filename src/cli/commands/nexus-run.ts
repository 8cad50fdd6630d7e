import { resolve } from 'node:path';
import type { Command } from 'commander';
import { usageError } from '../output/failure.ts';
import { runServer, type ServerOptions } from '../session/run-server.ts';
import { type Session, withCommonOptions } from '../session/session.ts';

/** Makes the group `nexus` itself a command: with `--config` it runs one. */
export const makeNexusRunnable = (group: Command, session: Session): void => {
  withCommonOptions(
    group
      .option(
        '--config <file>',
        'run the Nexus of this nexus.toml, until SIGTERM or Ctrl-C; logs to standard error',
      )
      .option('--stop-with-stdin', 'stop also when standard input ends'),
    'tuf-depot nexus --config /etc/tuf-depot/nexus.toml',
  ).action(async (options: Partial<ServerOptions>) => {
    const { config } = options;
    if (config === undefined) {
      throw usageError('nexus needs --config FILE to run one', 'or a subcommand: tuf-depot nexus --help');
    }
    // Loaded only by this command, so that others start without it.
    const { runNexus } = await import('../../nexus/process/main.ts');
    const configPath = resolve(session.directory, config);
    await runServer(session, { ...options, config }, signal => runNexus({ configPath, signal }));
  });
};
