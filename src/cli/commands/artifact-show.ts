import type { Command } from 'commander';
import type { ArtifactView } from '../../api/operator-fleet-api.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { findArtifact } from '../connection/find-artifact.ts';
import { eventLines } from '../output/events.ts';
import { formatBytes, formatDuration } from '../output/quantities.ts';
import { reasonLines } from '../output/reasons.ts';
import { bySerial } from '../output/replication.ts';
import { printable } from '../output/style.ts';
import { factLines, tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

/** Events shown to people; more are in the JSON, and all of them in `tuf-depot history --artifact`. */
const MAX_EVENTS_SHOWN = 20;

export const addArtifactShow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('show')
      .description(
        'one artifact: the releases that list it, the sleds that hold it, its requests, and why it is or is not there',
      )
      .argument('<sha256>', 'its SHA-256, or a prefix of it'),
    'tuf-depot artifact show 9f86d081884c7d65',
  ).action(async (text: string, options: RemoteOptions) => {
    const artifact = await withDepot(session, options, async depot =>
      depot.fleet.artifactView({ params: { sha256: await findArtifact(depot, text) } }),
    );
    present(session, options, artifact, () => artifactLines(session, artifact));
  });
};

const artifactLines = ({ terminal, clock }: Session, artifact: ArtifactView): string[] => {
  const style = terminal.outStyle;
  const nowMs = clock.nowMs();
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', style.dim(title), ...lines];
  return [
    ...factLines(
      [
        ['artifact', style.bold(artifact.sha256)],
        ['size', `${formatBytes(artifact.size_bytes)} (${artifact.size_bytes} bytes)`],
        ['wanted', artifact.wanted ? style.good('yes') : style.warn('no: no present release lists it')],
      ],
      style,
    ),
    ...reasonLines(artifact.reasons, style, nowMs),
    ...section(
      'listed by',
      artifact.roles.map(
        role =>
          `  ${role.system_version}${role.release_present ? '' : ' (deleted)'}: ${printable(role.target_name)} ` +
          printable(role.version),
      ),
    ),
    ...section(
      'archives that have it',
      artifact.local_repos.map(repo => `  ${repo.system_version} on Nexus ${repo.nexus_id}`),
    ),
    ...section('held by', sledLines(artifact, style)),
    ...section('latest events', historyLines(artifact, terminal)),
  ];
};

const sledLines = (artifact: ArtifactView, style: Session['terminal']['outStyle']): string[] =>
  tableLines(
    bySerial(artifact.sleds),
    [
      { title: 'SLED', cell: sled => sled.serial, paint: style.bold },
      {
        title: 'DATASETS',
        // An archive on a silent Nexus cannot be used.
        cell: sled => (sled.datasets === 0 ? 'unknown' : `${sled.copies}/${sled.datasets}`),
        paint: (text, sled) =>
          sled.copies >= sled.datasets && sled.datasets > 0 ? style.good(text) : style.warn(text),
      },
      { title: '', cell: sledRemark },
    ],
    { style },
  );

const sledRemark = (sled: ArtifactView['sleds'][number]): string => {
  if (sled.copy_in_flight !== undefined) return `copying from ${sled.copy_in_flight.depot_base_url}`;
  if (sled.quarantined !== undefined && sled.copies < sled.datasets)
    return `a copy went bad: ${sled.quarantined.reason}`;
  if (sled.copy_failed !== undefined) return `copy failed: ${sled.copy_failed.message}`;
  if (sled.deletion_deferred !== undefined) return `kept: ${sled.deletion_deferred.reason}`;
  if (sled.deletion_waiting !== undefined)
    return `kept: deleted in ${formatDuration(sled.deletion_waiting.remaining_s * 1_000)}`;
  if (sled.deletion !== undefined) return `deleted: ${sled.deletion.reason}`;
  return '';
};

/** A sled that has left the fleet has no serial number here, and is named by its id. */
const historyLines = (artifact: ArtifactView, { outStyle, outColumns }: Session['terminal']): string[] =>
  artifact.history.length === 0
    ? []
    : eventLines(
        artifact.history.slice(0, MAX_EVENTS_SHOWN),
        {
          serials: new Map(artifact.sleds.map(({ sled_id, serial }) => [sled_id, serial])),
          withoutHash: true,
        },
        { style: outStyle, width: outColumns() },
      );
