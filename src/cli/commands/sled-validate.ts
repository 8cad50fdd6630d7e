import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { tableLines } from '../output/table.ts';
import { exitCodes } from '../session/exit-code.ts';
import { present, type Session } from '../session/session.ts';

export const addSledValidate = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('validate')
      .description('ask every sled for its config, and compare it with the database; changes nothing'),
    'tuf-depot sled validate',
  ).action(async (options: RemoteOptions) => {
    const check = await withDepot(session, options, depot => depot.recovery.replicationCheck());
    const { outStyle: style, outColumns } = session.terminal;
    const { sleds } = check;
    present(session, options, check, () =>
      sleds.length === 0
        ? ['No sled is in service.']
        : tableLines(
            sleds,
            [
              { title: 'ID', cell: sled => sled.sled_id },
              { title: 'SERIAL', cell: sled => sled.serial },
              { title: 'IP', cell: sled => sled.ip },
              {
                title: 'STATE',
                cell: sled => sled.message,
                paint: (text, { state }) =>
                  state === 'ok' ? style.good(text) : state === 'old' ? text : style.bad(text),
              },
            ],
            { style, width: outColumns() },
          ),
    );
    if (sleds.some(({ state }) => state !== 'ok' && state !== 'old')) session.exit(exitCodes.failed);
    else if (sleds.some(({ state }) => state === 'old')) session.exit(exitCodes.converging);
  });
};
