import type { Command } from 'commander';
import { newestFirst } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatBytes } from '../output/quantities.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

export const addArtifactList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('list')
      .description('the wanted artifacts: size, how many sleds hold each, which releases list it'),
    'tuf-depot artifact list',
  ).action(async (options: RemoteOptions) => {
    const artifacts = await withDepot(session, options, depot => depot.allArtifacts());
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, artifacts, () =>
      artifacts.length === 0
        ? ['No artifact is wanted: there is no release.']
        : tableLines(
            artifacts,
            [
              { title: 'SHA-256', cell: artifact => artifact.sha256, paint: style.bold },
              { title: 'SIZE', cell: artifact => formatBytes(artifact.size_bytes), align: 'right' },
              {
                title: 'SLEDS',
                cell: artifact => `${artifact.sleds_holding}/${artifact.sleds_in_service}`,
                align: 'right',
                paint: (text, { sleds_holding, sleds_in_service }) =>
                  sleds_holding >= sleds_in_service ? style.good(text) : style.warn(text),
              },
              {
                title: 'RELEASES',
                cell: artifact => newestFirst(artifact.releases, version => version).join(', '),
              },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};
