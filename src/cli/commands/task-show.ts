import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { taskReportLines } from '../output/task-report.ts';
import { present, type Session } from '../session/session.ts';

export const addTaskShow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('show')
      .description('one background task, with everything it reports')
      .argument('<task>', 'its name'),
    'tuf-depot task show tuf_artifact_replication',
  ).action(async (name: string, options: RemoteOptions) => {
    const task = await withDepot(session, options, depot =>
      depot.debug.bgtaskView({ params: { bgtask_name: name } }),
    );
    present(session, options, task, () =>
      taskReportLines(task, session.terminal.outStyle, session.clock.nowMs()),
    );
  });
};
