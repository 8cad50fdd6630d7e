import type { Command } from 'commander';
import { parseVersion } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';

type SetOptions = RemoteOptions & { readonly force?: true };

export const addTargetReleaseSet = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('set')
      .description('set the release that the fleet should run; it must be complete on every reachable sled')
      .argument('<version>', 'system version of the release')
      .option('--force', 'set it even if it is not complete'),
    'tuf-depot target-release set 1.2.0',
  ).action(async (version: string, options: SetOptions) => {
    const body = { system_version: parseVersion(version) };
    const query = options.force === true ? { force: 'true' as const } : {};
    await withDepot(session, options, depot => depot.updates.targetReleaseUpdate({ query, body }));
    present(session, options, { target_release: body.system_version }, () => [
      `The target release is ${body.system_version}.`,
    ]);
  });
};
