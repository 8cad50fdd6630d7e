import type { Command } from 'commander';
import { makeRunnable } from '../session/run-server.ts';
import type { Session } from '../session/session.ts';

export const makeSledAgentRunnable = (group: Command, session: Session): void =>
  makeRunnable(group, {
    session,
    server: 'the agent',
    fileName: 'sled-agent.toml',
    async run(options) {
      // Loaded only by this command, so that others start without it.
      const { runSledAgent } = await import('../../sled-agent/main.ts');
      await runSledAgent(options);
    },
  });
