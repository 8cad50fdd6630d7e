import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatDuration } from '../output/quantities.ts';
import { tableLines } from '../output/table.ts';
import { lastActivationText, periodText } from '../output/task-report.ts';
import { present, type Session } from '../session/session.ts';

export const addTaskList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent.command('list').description('the background tasks of one Nexus'),
    'tuf-depot task list',
  ).action(async (options: RemoteOptions) => {
    const tasks = await withDepot(session, options, depot => depot.debug.bgtaskList());
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, tasks, () =>
      tableLines(
        Object.values(tasks).toSorted((a, b) => a.name.localeCompare(b.name)),
        [
          { title: 'TASK', cell: task => task.name, paint: style.bold },
          { title: 'PERIOD', cell: task => (task.periodic === false ? 'off' : periodText(task.period.secs)) },
          { title: 'NOW', cell: task => task.current.current_status },
          { title: 'LAST', cell: task => lastActivationText(task, session.clock.nowMs()) },
          {
            title: 'TOOK',
            cell: ({ last }) =>
              last.last_result === 'never_completed'
                ? '-'
                : formatDuration(last.details.elapsed.secs * 1000 + last.details.elapsed.nanos / 1e6),
            align: 'right',
          },
          { title: 'WHAT IT DOES', cell: task => task.description },
        ],
        { style, width: outColumns() },
      ),
    );
  });
};
