/** Events of the history: one line each, as a log is read, the newest last. */
import type { FleetEventView } from '../../api/operator-history-api.ts';
import { formatDuration } from './quantities.ts';
import { words } from './state.ts';
import { printable, type Style } from './style.ts';
import { type Column, tableLines } from './table.ts';

/** Enough to name an artifact to `artifact show`. */
const HASH_CHARS = 16;

export type EventNames = {
  /** Serial numbers by sled id. */
  readonly serials: ReadonlyMap<string, string>;
  /** Where all events are of one artifact. */
  readonly withoutHash?: boolean;
};

/** @param newestFirst as the API answers */
export const eventLines = (
  newestFirst: readonly FleetEventView[],
  names: EventNames,
  { style, width }: { style: Style; width?: number | undefined },
): string[] => {
  const columns: Column<FleetEventView>[] = [
    { title: 'TIME (UTC)', cell: ({ time }) => timeText(time), paint: style.dim },
    {
      title: 'EVENT',
      cell: ({ kind }) => words(kind),
      paint: (text, event) => (isFailure(event) ? style.warn(text) : text),
    },
    { title: 'SLED', cell: ({ sled_id }) => serialOf(names, sled_id) },
    { title: 'WHAT', cell: event => whatText(event, names) },
  ];
  return tableLines(newestFirst.toReversed(), columns, { style, width });
};

const timeText = (time: string): string => new Date(time).toISOString().slice(0, 19).replace('T', ' ');

const serialOf = ({ serials }: EventNames, id: string | undefined): string =>
  id === undefined ? '-' : printable(serials.get(id) ?? id);

/** A code says that something failed, or that it no longer does. */
const isFailure = ({ error_code, message, kind }: FleetEventView): boolean =>
  kind === 'history_lost' ||
  kind === 'copy_lost' ||
  kind === 'quarantine' ||
  (error_code !== undefined && message?.startsWith('over: ') !== true);

const whatText = (event: FleetEventView, names: EventNames): string => {
  const facts = [
    ...(event.system_version === undefined ? [] : [event.system_version]),
    ...(event.sha256 === undefined || names.withoutHash === true ? [] : [event.sha256.slice(0, HASH_CHARS)]),
    ...(event.source_sled_id === undefined ? [] : [`from ${serialOf(names, event.source_sled_id)}`]),
    ...(event.generation === undefined ? [] : [`generation ${event.generation}`]),
    ...(event.elapsed_ms === undefined ? [] : [formatDuration(event.elapsed_ms)]),
  ].join(', ');
  const code = event.error_code === undefined ? '' : ` [${event.error_code}]`;
  const parts = [facts, event.message ?? ''].filter(part => part !== '');
  return `${parts.join(': ')}${code}`;
};
