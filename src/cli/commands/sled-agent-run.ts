import { resolve } from 'node:path';
import type { Command } from 'commander';
import { runServer, type ServerOptions } from '../run-server.ts';
import { type Session, withCommonOptions } from '../session.ts';

export const addSledAgentRun = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('sled-agent')
      .description('run the agent of one sled, until SIGTERM or Ctrl-C; logs to standard error')
      .requiredOption('--config <file>', 'sled-agent.toml')
      .option('--stop-with-stdin', 'stop also when standard input ends'),
    'tuf-depot sled-agent --config /etc/tuf-depot/sled-agent.toml',
  ).action(async (options: ServerOptions) => {
    // Loaded where it runs, so that other commands start without it.
    const { runSledAgent } = await import('../../sled-agent/main.ts');
    const configPath = resolve(session.directory, options.config);
    await runServer(session, options, signal => runSledAgent({ configPath, signal }));
  });
};
