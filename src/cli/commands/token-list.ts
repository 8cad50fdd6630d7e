import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge } from '../output/quantities.ts';
import { stateStyle } from '../output/state.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

const DATE_CHARS = '2026-01-02'.length;

export const addTokenList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('list')
      .description('the tokens: role, state, last use; those that ended long ago are forgotten'),
    'tuf-depot token list',
  ).action(async (options: RemoteOptions) => {
    const { items } = await withDepot(session, options, depot => depot.access.tokenList());
    const nowMs = session.clock.nowMs();
    const ageOf = (time: string | undefined): string =>
      time === undefined ? '-' : formatAge(Date.parse(time), nowMs);
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, items, () =>
      items.length === 0
        ? ['There is no token, so only the break-glass token of each Nexus counts.']
        : tableLines(
            items,
            [
              { title: 'ID', cell: token => token.id, paint: style.bold },
              { title: 'ROLE', cell: token => token.role },
              {
                title: 'STATE',
                cell: token => token.state,
                paint: (text, token) => stateStyle(style, token.state)(text),
              },
              { title: 'CREATED', cell: token => ageOf(token.time_created) },
              { title: 'EXPIRES', cell: token => token.time_expires.slice(0, DATE_CHARS) },
              { title: 'LAST USED', cell: token => ageOf(token.time_last_used) },
              { title: 'DESCRIPTION', cell: token => token.description },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};
