import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';

export const addTaskActivate = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('activate')
      .description('activate tasks now, or once more as soon as the running activation ends')
      .argument('<task...>', 'their names'),
    'tuf-depot task activate tuf_artifact_replication',
  ).action(async (names: string[], options: RemoteOptions) => {
    await withDepot(session, options, depot => depot.debug.bgtaskActivate({ body: { bgtask_names: names } }));
    present(session, options, { activated: names }, () => names.map(name => `Activated ${name}.`));
  });
};
