import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge } from '../output/quantities.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

const KEY_CHARS = 12;

export const addStatementList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('list')
      .description('what admin keys have signed, the newest first, and which of it counts on the sleds'),
    'tuf-depot statement list',
  ).action(async (options: RemoteOptions) => {
    const list = await withDepot(session, options, depot => depot.statements.statementList());
    const nowMs = session.clock.nowMs();
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, list, () => [
      list.admin_keys.length === 0
        ? 'This Nexus has no admin key (identity.admin_key_file), so it verifies no statement. Sleds verify by those that they have pinned.'
        : `Admin key: ${list.admin_keys.join(', ')}`,
      ...(list.items.length === 0
        ? ['There is no statement.']
        : tableLines(
            list.items,
            [
              { title: 'ID', cell: each => each.id, paint: style.bold },
              {
                title: 'STATE',
                cell: each => (each.counts ? each.state : `${each.state}, replaced by a later one`),
              },
              { title: 'SIGNED', cell: each => formatAge(Date.parse(each.time), nowMs) },
              { title: 'KEY', cell: each => each.key.slice(0, KEY_CHARS) },
              { title: 'SUBJECT', cell: each => `${each.kind}: ${each.subject.replace(/^\S+ /, '')}` },
            ],
            { style, width: outColumns() },
          )),
    ]);
  });
};
