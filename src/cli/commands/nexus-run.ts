import type { Command } from 'commander';
import { makeRunnable } from '../session/run-server.ts';
import type { Session } from '../session/session.ts';

export const makeNexusRunnable = (group: Command, session: Session): void =>
  makeRunnable(group, {
    session,
    server: 'the Nexus',
    fileName: 'nexus.toml',
    async run(options) {
      // Loaded only by this command, so that others start without it.
      const { runNexus } = await import('../../nexus/process/main.ts');
      await runNexus(options);
    },
  });
