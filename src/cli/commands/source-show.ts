import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { checkLines } from '../output/check-lines.ts';
import { printable } from '../output/style.ts';
import { factLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

export const addSourceShow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('show')
      .description('one source: its addresses, and the result of the last fetch')
      .argument('<name>'),
    'tuf-depot source show vendor',
  ).action(async (name: string, options: RemoteOptions) => {
    const source = await withDepot(session, options, depot => depot.sources.sourceView({ params: { name } }));
    const style = session.terminal.outStyle;
    const { error, fetching } = source;
    present(session, options, source, () => [
      ...factLines(
        [
          ['source', style.bold(printable(source.name))],
          ['state', source.state],
          ['metadata', source.metadata_url],
          ['targets', source.targets_url],
          ['period', source.period_secs === null ? 'on request' : `${source.period_secs} s`],
          ['release', source.system_version],
          [
            'fetching',
            fetching && `${fetching.system_version}, ${fetching.done_bytes} of ${fetching.total_bytes} bytes`,
          ],
          ['last fetch', source.time_attempted],
          ['succeeded', source.time_succeeded],
          ['error', error && `${printable(error.message)} [${error.code}]`],
        ],
        style,
      ),
      ...checkLines((error?.report ?? []) as Parameters<typeof checkLines>[0], style),
    ]);
  });
};
