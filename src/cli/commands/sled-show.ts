import type { Command } from 'commander';
import type { SledView } from '../../api/operator-fleet-api.ts';
import { plural, shortHash, spaced } from '../../core/facts/phrase.ts';
import { shortPoint } from '../../core/lineage.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { findSled } from '../connection/find-sled.ts';
import { formatAge, formatBytes, formatDuration } from '../output/quantities.ts';
import { reasonLines } from '../output/reasons.ts';
import { sledProgressLines } from '../output/replication.ts';
import { stateColumn, stateStyle } from '../output/state.ts';
import { printable } from '../output/style.ts';
import { factLines, tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

/** Deletions shown to people; the JSON has all that the sled reports. */
const MAX_DELETIONS_SHOWN = 10;
const MAX_QUARANTINED_SHOWN = 10;
const MAX_BUNDLES_SHOWN = 10;

export const addSledShow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('show')
      .description('one sled: datasets, copies in flight and failed, deletions')
      .argument('<sled>', 'id or serial number'),
    'tuf-depot sled show BRM42220031',
  ).action(async (name: string, options: RemoteOptions) => {
    const sled = await withDepot(session, options, depot => findSled(depot, name));
    present(session, options, sled, () => sledLines(session, sled));
  });
};

const sledLines = ({ terminal, clock }: Session, sled: SledView): string[] => {
  const style = terminal.outStyle;
  const nowMs = clock.nowMs();
  const ago = (time: string) => formatAge(Date.parse(time), nowMs);
  const facts = factLines(
    [
      ['sled', style.bold(printable(sled.serial))],
      ['id', sled.id],
      ['address', `${printable(sled.address)}, depot port ${sled.repo_depot_port}`],
      ['transport', sled.transport === 'plain' ? 'plain HTTP, without an identity' : undefined],
      ['policy', stateStyle(style, sled.policy)(spaced(sled.policy))],
      ['liveness', stateStyle(style, sled.liveness)(sled.liveness)],
      ['registered', `${ago(sled.time_registered)}, last ${ago(sled.time_last_registered)}`],
      ['generation', String(sled.generation ?? 'not yet known')],
      ['deletions', String(sled.deletions_total)],
      ['signatures', signatureText(sled)],
      ['scrub', sled.scrub && scrubText(sled.scrub, nowMs)],
    ],
    style,
  );
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', style.dim(title), ...lines];
  return [
    ...facts,
    ...reasonLines(sled.reasons, style, nowMs),
    '',
    // Without an answer they are those of the sled's registration.
    ...(sled.generation === null ? [style.dim(`as it registered ${ago(sled.time_last_registered)}`)] : []),
    ...datasetLines(sled, terminal),
    ...section('replication', sled.replication === null ? [] : sledProgressLines([sled.replication], style)),
    ...section(
      'copies in flight',
      sled.copies_in_flight.map(
        copy =>
          `  ${shortHash(copy.sha256)} ${formatBytes(copy.received_bytes)} of ${bytesText(copy.size_bytes)} ` +
          `from ${printable(copy.depot_base_url)}, since ${ago(copy.time_started)}`,
      ),
    ),
    ...section(
      'copies failed',
      sled.copies_failed.map(
        copy =>
          `  ${shortHash(copy.sha256)} from ${printable(copy.depot_base_url)} ${ago(copy.time)}: ` +
          `${printable(copy.message)} [${printable(copy.error_code)}]`,
      ),
    ),
    ...section('metadata of releases', bundleLines(sled)),
    ...section('bad copies, kept as evidence', quarantineLines(sled, nowMs)),
    ...section('deletions held', heldLines(sled, ago)),
    ...section(
      'kept although no release lists it',
      sled.deletions_deferred.map(
        deferred => `  ${shortHash(deferred.sha256)} ${printable(deferred.reason)}`,
      ),
    ),
    ...section('waiting for their deletion', waitingLines(sled.deletions_waiting)),
    ...section('kept by the limit of deletions', waitingLines(sled.deletions_limited)),
    ...section(
      'latest deletions',
      sled.deletions
        .toSorted((a, b) => b.time.localeCompare(a.time))
        .slice(0, MAX_DELETIONS_SHOWN)
        .map(
          deletion =>
            `  ${shortHash(deletion.sha256)} ${ago(deletion.time)} at generation ${deletion.generation}: ` +
            printable(deletion.reason),
        ),
    ),
  ];
};

/** Undefined for a sled agent that does not know of bundles. */
const signatureText = ({ require_signed, artifacts_withheld: withheld, trust }: SledView) => {
  if (require_signed === undefined) return undefined;
  const pinned = `${plural(trust?.chains.length ?? 0, 'trust root')} and ${plural(trust?.admin_keys.length ?? 0, 'admin key')} pinned`;
  const rule = require_signed ? 'required' : 'not required: it stores whatever Nexus sends';
  return `${rule}; ${pinned}; ${plural(withheld ?? 0, 'artifact')} withheld`;
};

/** The good ones are not news. */
const bundleLines = ({ bundles = [] }: SledView): string[] =>
  bundles
    .filter(({ state }) => state !== 'admitted')
    .slice(0, MAX_BUNDLES_SHOWN)
    .map(
      ({ sha256, state, reason }) =>
        `  ${sha256.slice(0, 16)} ${state}${reason === undefined ? '' : `: ${printable(reason)}`}`,
    );

/** Why deletions are held, and the kept configs of other histories. */
const heldLines = (
  { deletions_held: held, points_kept: kept = [] }: SledView,
  ago: (time: string) => string,
): string[] => [
  ...(held === undefined ? [] : [`  since ${ago(held.time)}: ${printable(held.reason)}`]),
  ...kept.map(
    ({ generation, config_digest: digest }) =>
      `  of artifacts of config ${shortPoint({ generation, digest })} of another history, until a recovery decides on it`,
  ),
];

const waitingLines = (waiting: SledView['deletions_waiting']): string[] => {
  if (waiting === undefined) return [];
  const { artifacts, size_bytes, first } = waiting;
  const shown = first
    .slice(0, MAX_DELETIONS_SHOWN)
    .map(
      ({ sha256, size_bytes: bytes, remaining_s }) =>
        `  ${sha256.slice(0, 16)} ${formatBytes(bytes)}, deleted in ${formatDuration(remaining_s * 1_000)}`,
    );
  const more = artifacts - shown.length;
  return [...shown, ...(more > 0 ? [`  and ${more} more, together ${formatBytes(size_bytes)}`] : [])];
};

const quarantineLines = ({ quarantined }: SledView, nowMs: number): string[] =>
  quarantined
    .toSorted((a, b) => b.time.localeCompare(a.time))
    .slice(0, MAX_QUARANTINED_SHOWN)
    .map(
      ({ sha256, time, dataset_id, reason }) =>
        `  ${shortHash(sha256)} ${formatAge(Date.parse(time), nowMs)} on dataset ${dataset_id}: ${printable(reason)}`,
    );

const scrubText = (scrub: NonNullable<SledView['scrub']>, nowMs: number): string => {
  const ago = (time: string) => formatAge(Date.parse(time), nowMs);
  const last = scrub.last_completed === undefined ? '' : `, last completed ${ago(scrub.last_completed)}`;
  const bad = scrub.last_bad === undefined ? '' : `, last bad copy ${ago(scrub.last_bad.time)}`;
  return (
    `${scrub.files_done} of ${scrub.files_total} files, ${formatBytes(scrub.bytes_done)}, ` +
    `since ${ago(scrub.cycle_started)}${last}${bad}`
  );
};

const datasetLines = ({ datasets }: SledView, { outStyle, outColumns }: Session['terminal']): string[] =>
  tableLines(
    datasets,
    [
      { title: 'DATASET', cell: dataset => dataset.path, paint: outStyle.bold },
      stateColumn(outStyle, 'STATE', dataset => dataset.state),
      { title: 'USED', cell: dataset => bytesText(dataset.used_bytes), align: 'right' },
      { title: 'QUOTA', cell: dataset => bytesText(dataset.quota_bytes), align: 'right' },
      { title: 'FREE', cell: dataset => bytesText(dataset.free_bytes), align: 'right' },
      { title: '', cell: dataset => dataset.message ?? '' },
    ],
    { style: outStyle, width: outColumns() },
  );

const bytesText = (sizeBytes: number | undefined): string =>
  sizeBytes === undefined ? '?' : formatBytes(sizeBytes);
