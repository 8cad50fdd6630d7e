import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge } from '../output/quantities.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';
import { describeRoot } from '../trust/root-description.ts';

export const addTrustRootList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent.command('list').description('the roots that may sign releases'),
    'tuf-depot trust-root list',
  ).action(async (options: RemoteOptions) => {
    const roots = await withDepot(session, options, depot => depot.allTrustRoots());
    const rows = roots.map(root => ({ ...root, ...describeRoot(root.root_role) }));
    const data = rows.map(({ digest }, at) => ({ ...roots[at], root_sha256: digest }));
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, data, () =>
      rows.length === 0
        ? ['No trust roots. Add one: tuf-depot trust-root add FILE']
        : tableLines(
            rows,
            [
              { title: 'ID', cell: root => root.id, paint: style.bold },
              { title: 'ROOT VERSION', cell: root => root.version, align: 'right' },
              { title: 'EXPIRES', cell: root => root.expires },
              {
                title: 'ADDED',
                cell: root => formatAge(Date.parse(root.time_created), session.clock.nowMs()),
              },
              { title: 'ROOT SHA-256', cell: root => root.digest },
              { title: 'ROOT KEYS', cell: root => root.keyText },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};
