import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge } from '../output/quantities.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

export const addSourceList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent.command('list').description('the repositories that Nexus follows, or was asked to fetch'),
    'tuf-depot source list',
  ).action(async (options: RemoteOptions) => {
    const { items } = await withDepot(session, options, depot => depot.sources.sourceList());
    const { outStyle: style, outColumns } = session.terminal;
    const nowMs = session.clock.nowMs();
    present(session, options, items, () =>
      items.length === 0
        ? ['No sources. Add a [[source]] to nexus.toml, or: tuf-depot repo sync URL']
        : tableLines(
            items,
            [
              { title: 'NAME', cell: source => source.name, paint: style.bold },
              {
                title: 'STATE',
                cell: source => source.state,
                paint: (text, { state }) =>
                  state === 'current'
                    ? style.good(text)
                    : state === 'refused' || state === 'failed'
                      ? style.bad(text)
                      : text,
              },
              { title: 'RELEASE', cell: source => source.system_version ?? '-' },
              {
                title: 'LOOKED AT',
                cell: ({ time_attempted }) =>
                  time_attempted === undefined ? 'never' : formatAge(Date.parse(time_attempted), nowMs),
              },
              { title: 'WHY', cell: source => source.error?.message ?? '' },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};
