import type { Command } from 'commander';
import { newestFirst } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge, formatBytes } from '../output/quantities.ts';
import { stateStyle } from '../output/state.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

export const addRepoList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent.command('list').description('the present releases, newest version first'),
    'tuf-depot repo list',
  ).action(async (options: RemoteOptions) => {
    const releases = await withDepot(session, options, async depot => {
      const repos = await depot.allRepositories();
      const status = await depot.fleet.fleetStatus();
      const states = new Map(status.releases.map(release => [release.system_version, release]));
      return newestFirst(repos, repo => repo.system_version).map(repo => ({
        ...repo,
        state: states.get(repo.system_version)?.state ?? null,
        sleds_holding_all: states.get(repo.system_version)?.sleds_holding_all ?? null,
        sleds_in_service: status.sleds.in_service,
      }));
    });
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, releases, () =>
      releases.length === 0
        ? ['No releases. Upload one: tuf-depot repo upload FILE']
        : tableLines(
            releases,
            [
              { title: 'VERSION', cell: repo => repo.system_version, paint: style.bold },
              {
                title: 'STATE',
                cell: repo => repo.state ?? 'unknown',
                paint: (text, repo) => stateStyle(style, repo.state)(text),
              },
              {
                title: 'WHOLE ON',
                cell: repo => `${repo.sleds_holding_all ?? '?'}/${repo.sleds_in_service} sleds`,
              },
              { title: 'ARTIFACTS', cell: repo => String(repo.artifact_count ?? '?'), align: 'right' },
              {
                title: 'SIZE',
                cell: repo =>
                  repo.total_size_bytes === undefined ? '?' : formatBytes(repo.total_size_bytes),
                align: 'right',
              },
              {
                title: 'UPLOADED',
                cell: repo => formatAge(Date.parse(repo.time_created), session.clock.nowMs()),
              },
              { title: 'FILE', cell: repo => repo.file_name },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};
