import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge } from '../output/quantities.ts';
import { stateColumn } from '../output/state.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

export const addNexusList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent.command('list').description('all Nexus instances, and how many archives each still holds'),
    'tuf-depot nexus list',
  ).action(async (options: RemoteOptions) => {
    const { items } = await withDepot(session, options, depot => depot.fleet.nexusList());
    const nowMs = session.clock.nowMs();
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, items, () =>
      tableLines(
        items,
        [
          { title: 'ID', cell: nexus => nexus.id, paint: style.bold },
          stateColumn(style, 'POLICY', nexus => nexus.policy),
          stateColumn(style, 'LIVENESS', nexus => nexus.liveness),
          { title: 'LOCAL REPOS', cell: nexus => String(nexus.local_repos), align: 'right' },
          { title: 'HEARTBEAT', cell: nexus => formatAge(Date.parse(nexus.time_heartbeat), nowMs) },
          { title: 'STARTED', cell: nexus => formatAge(Date.parse(nexus.time_started), nowMs) },
          {
            title: 'ADDRESS',
            cell: nexus => `${nexus.operator_address}${nexus.is_self ? ' (answered)' : ''}`,
          },
        ],
        { style, width: outColumns() },
      ),
    );
  });
};
