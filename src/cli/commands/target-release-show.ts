import type { Command } from 'commander';
import { plural } from '../../core/facts/phrase.ts';
import { compareVersions } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { textOf } from '../output/newer-words.ts';
import { formatAge } from '../output/quantities.ts';
import { factLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

export const addTargetReleaseShow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('show')
      .description('the release that the fleet should run, and the releases that sleds run or hold'),
    'tuf-depot target-release show',
  ).action(async (options: RemoteOptions) => {
    const status = await withDepot(session, options, depot => depot.updates.updateStatus());
    const style = session.terminal.outStyle;
    const nowMs = session.clock.nowMs();
    const target = status.target_release;
    const byVersion = Object.entries(status.components_by_release_version).toSorted(([a], [b]) =>
      a === 'unknown' ? 1 : b === 'unknown' ? -1 : compareVersions(b, a),
    );
    const verb = textOf(VERBS, status.components_counted_by ?? 'held');
    present(session, options, status, () => [
      ...factLines(
        [
          ['target release', target === null ? 'none was set' : style.bold(target.version)],
          ['set', target === null ? undefined : formatAge(Date.parse(target.time_requested), nowMs)],
          ['last step planned', formatAge(Date.parse(status.time_last_step_planned), nowMs)],
          ['suspended', status.suspended ? style.warn('yes') : 'no'],
          ['contact support', status.contact_support ? style.bad('yes') : 'no'],
        ],
        style,
      ),
      ...byVersion.map(([version, sleds]) => `  ${version} ${verb} ${plural(sleds, 'sled')}`),
    ]);
  });
};

/** How a sled is counted at a release. */
const VERBS = { held: 'whole on', running: 'run by', running_or_held: 'run by, or whole on,' } as const;
