/** The progress of sleds with a release, as a table with bars. */
import type { ReleaseReplication, SledReplication } from '../../api/operator-fleet-api.ts';
import { bar } from './bar.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from './quantities.ts';
import { stateColumn } from './state.ts';
import type { Style } from './style.ts';
import { tableLines } from './table.ts';

/** With all other columns the table fits 80 columns. */
const BAR_CELLS = 12;

/** Empty while no sled was asked: a header without rows has no use. */
export const sledProgressLines = (sleds: readonly SledReplication[], style: Style): string[] =>
  sleds.length === 0 ? [] : sledTable(sleds, style);

const sledTable = (sleds: readonly SledReplication[], style: Style): string[] =>
  tableLines(
    bySerial(sleds),
    [
      { title: 'SLED', cell: sled => sled.serial, paint: style.bold },
      {
        title: 'HELD',
        cell: sled => bar(sled.bytes_held, sled.bytes_wanted, BAR_CELLS),
        paint: (text, sled) => (isWhole(sled) ? style.good(text) : style.accent(text)),
      },
      { title: '', cell: sled => formatPercent(sled.bytes_held, sled.bytes_wanted), align: 'right' },
      { title: 'ARTIFACTS', cell: sled => `${sled.artifacts_held}/${sled.artifacts_wanted}`, align: 'right' },
      {
        title: 'ALL DATASETS',
        cell: sled => `${sled.artifacts_held_fully}/${sled.artifacts_wanted}`,
        align: 'right',
      },
      {
        title: 'BYTES',
        cell: sled => formatBytes(sled.bytes_held),
        align: 'right',
      },
      stateColumn(style, 'STATE', sled => sled.state),
    ],
    { style },
  );

/** `sled-2` before `sled-10`. */
export const bySerial = <T extends { readonly serial: string }>(sleds: readonly T[]): T[] =>
  sleds.toSorted((a, b) => a.serial.localeCompare(b.serial, 'en', { numeric: true }));

/** Every artifact on every usable dataset. */
const isWhole = (sled: SledReplication): boolean => sled.artifacts_held_fully === sled.artifacts_wanted;

/** One line, for output that cannot be redrawn. With a short version and any numbers it fits 80 columns. */
export const replicationLine = (release: Omit<ReleaseReplication, 'sleds'>): string => {
  if (release.sleds_in_service === 0)
    return `${release.system_version} ${release.state}: no sled was asked yet`;
  const { remaining_s } = release;
  return (
    `${release.system_version} ${release.state}: ${formatBytes(release.bytes_held)} of ${formatBytes(release.bytes_wanted)}, ` +
    `whole on ${release.sleds_holding_all} of ${release.sleds_in_service} sleds` +
    (remaining_s === undefined ? '' : `, ${formatDuration(remaining_s * 1_000)} left`)
  );
};

/** `38.1 MiB/s, 2 min 05 s left`; undefined while nothing arrives. */
export const arrivalText = ({
  bytes_per_s,
  remaining_s,
}: Pick<ReleaseReplication, 'bytes_per_s' | 'remaining_s'>): string | undefined =>
  bytes_per_s === undefined || remaining_s === undefined
    ? undefined
    : `${formatRate(bytes_per_s)} on all sleds together, ${formatDuration(remaining_s * 1_000)} left`;
