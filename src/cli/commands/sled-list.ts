import type { Command } from 'commander';
import type { SledView } from '../../api/operator-fleet-api.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge, formatPercent } from '../output/quantities.ts';
import { bySerial } from '../output/replication.ts';
import { stateColumn } from '../output/state.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';
import { presentPending } from './pending-machines.ts';

export const addSledList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('list')
      .description('all sleds: policy, liveness, generation, progress')
      .option(
        '--pending',
        'instead: the machines that ask to join by their key, without a token, and the sleds that the database does not know',
      ),
    'tuf-depot sled list',
  ).action(async (options: RemoteOptions & { readonly pending?: boolean }) => {
    if (options.pending === true) return await presentPending(session, options);
    const sleds = await withDepot(session, options, depot => depot.allSleds());
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, sleds, () =>
      sleds.length === 0
        ? ['No sled has registered.']
        : tableLines(
            bySerial(sleds),
            [
              { title: 'SERIAL', cell: sled => sled.serial, paint: style.bold },
              { title: 'ID', cell: sled => sled.id },
              stateColumn(style, 'POLICY', sled => sled.policy),
              stateColumn(style, 'LIVENESS', sled => sled.liveness),
              { title: 'GEN', cell: sled => String(sled.generation ?? '-'), align: 'right' },
              { title: 'HELD', cell: heldText, align: 'right' },
              { title: 'DATASETS', cell: datasetText },
              { title: 'DELETED', cell: sled => String(sled.deletions_total), align: 'right' },
              {
                title: 'REGISTERED',
                cell: sled => formatAge(Date.parse(sled.time_last_registered), session.clock.nowMs()),
              },
              { title: 'ADDRESS', cell: sled => sled.address },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};

const heldText = ({ replication }: SledView): string =>
  replication === null
    ? '-'
    : `${replication.artifacts_held_fully}/${replication.artifacts_wanted} ${formatPercent(replication.bytes_held, replication.bytes_wanted)}`;

const datasetText = ({ datasets }: SledView): string => {
  const usable = datasets.filter(dataset => dataset.state === 'ok').length;
  return usable === datasets.length ? `${usable} ok` : `${usable} of ${datasets.length} ok`;
};
