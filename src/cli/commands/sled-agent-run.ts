import { resolve } from 'node:path';
import type { Command } from 'commander';
import { usageError } from '../output/failure.ts';
import { runServer, type ServerOptions } from '../session/run-server.ts';
import { type Session, withCommonOptions } from '../session/session.ts';

/** Makes the group `sled-agent` itself a command: with `--config` it runs one. */
export const makeSledAgentRunnable = (group: Command, session: Session): void => {
  withCommonOptions(
    group
      .option(
        '--config <file>',
        'run the agent of this sled-agent.toml, until SIGTERM or Ctrl-C; logs to standard error',
      )
      .option('--stop-with-stdin', 'stop also when standard input ends'),
    'tuf-depot sled-agent --config /etc/tuf-depot/sled-agent.toml',
  ).action(async (options: Partial<ServerOptions>) => {
    const { config } = options;
    if (config === undefined) {
      throw usageError(
        'sled-agent needs --config FILE to run one',
        'or a subcommand: tuf-depot sled-agent --help',
      );
    }
    // Loaded only by this command, so that others start without it.
    const { runSledAgent } = await import('../../sled-agent/main.ts');
    const configPath = resolve(session.directory, config);
    await runServer(session, { ...options, config }, signal => runSledAgent({ configPath, signal }));
  });
};
