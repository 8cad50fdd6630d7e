import type { Command } from 'commander';
import type { ArtifactView, RequestRecord } from '../../api/operator-fleet-api.ts';
import { type ArtifactHash, isArtifactHash } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection.ts';
import { type Depot, withDepot } from '../depot-client.ts';
import { usageError } from '../output/failure.ts';
import { formatAge, formatBytes, formatDuration } from '../output/quantities.ts';
import { reasonLines } from '../output/reasons.ts';
import { bySerial } from '../output/replication.ts';
import { printable } from '../output/style.ts';
import { factLines, tableLines } from '../output/table.ts';
import { present, type Session } from '../session.ts';

/** Requests shown to people; all that Nexus remembers are in the JSON. */
const MAX_REQUESTS_SHOWN = 10;
/** A shorter prefix says too little about what is meant. */
const MIN_PREFIX_CHARS = 6;

export const addArtifactShow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('show')
      .description(
        'one artifact: who wants it, who holds it, what was asked for it, and why it is or is not there',
      )
      .argument('<sha256>', 'its SHA-256, or the first digits of it'),
    'tuf-depot artifact show 9f86d081884c7d65',
  ).action(async (text: string, options: RemoteOptions) => {
    const artifact = await withDepot(session, options, async depot =>
      depot.fleet.artifactView({ params: { sha256: await findHash(depot, text) } }),
    );
    present(session, options, artifact, () => artifactLines(session, artifact));
  });
};

const findHash = async (depot: Depot, text: string): Promise<ArtifactHash> => {
  const prefix = text.toLowerCase();
  if (isArtifactHash(prefix)) return prefix;
  if (!/^[0-9a-f]+$/.test(prefix) || prefix.length < MIN_PREFIX_CHARS) {
    throw usageError(`${text} is not a SHA-256`, `give at least ${MIN_PREFIX_CHARS} of its hex digits`);
  }
  const found = (await depot.allArtifacts()).filter(artifact => artifact.sha256.startsWith(prefix));
  if (found.length === 1) return found[0]!.sha256;
  throw new DepotError(
    'NOT_FOUND',
    `${found.length === 0 ? 'no wanted artifact has' : `${found.length} artifacts have`} a SHA-256 that starts with ${prefix}`,
    {
      detail: { remedy: 'tuf-depot artifact list shows them; one that no release wants needs all 64 digits' },
    },
  );
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
    ...section(
      'latest requests',
      artifact.requests.slice(0, MAX_REQUESTS_SHOWN).map(request => requestLine(request, artifact, nowMs)),
    ),
  ];
};

const sledLines = (artifact: ArtifactView, style: Session['terminal']['outStyle']): string[] =>
  tableLines(
    bySerial(artifact.sleds),
    [
      { title: 'SLED', cell: sled => sled.serial, paint: style.bold },
      {
        title: 'DATASETS',
        // One that does not answer has none that can be used.
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
  if (sled.deletion !== undefined) return `deleted: ${sled.deletion.reason}`;
  return '';
};

const requestLine = (request: RequestRecord, artifact: ArtifactView, nowMs: number): string => {
  const serial = (id: string | undefined) =>
    printable(artifact.sleds.find(sled => sled.sled_id === id)?.serial ?? id ?? '?');
  const from = request.source_sled === undefined ? '' : ` from ${serial(request.source_sled)}`;
  const outcome = request.error === undefined ? 'ok' : printable(request.error);
  return (
    `  ${formatAge(Date.parse(request.time), nowMs)}: ${request.operation} to ${serial(request.target_sled)}${from}, ` +
    `${formatDuration(request.elapsed_ms)}: ${outcome}`
  );
};
