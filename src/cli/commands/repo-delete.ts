import type { Command } from 'commander';
import { parseVersion } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';

export const addRepoDelete = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('delete')
      .description('delete a release; sleds delete the artifacts that no other release lists')
      .argument('<version>', 'system version of the release'),
    'tuf-depot repo delete 1.1.0',
  ).action(async (version: string, options: RemoteOptions) => {
    const params = { system_version: parseVersion(version) };
    await withDepot(session, options, depot => depot.updates.repositoryDelete({ params }));
    present(session, options, { deleted: params.system_version }, () => [
      `Deleted ${params.system_version}. Sleds delete what no other release lists, after a wait: tuf-depot artifact show HASH`,
    ]);
  });
};
