/** Events of the history: one line each, as a log is read, the newest last. */
import type { FleetEventView } from '../../api/operator-history-api.ts';
import { fromDetails } from '../../core/facts/details.ts';
import { type EventFact, isFailure, parseEvent } from '../../core/facts/event.ts';
import { renderEvent } from '../../core/facts/event-text.ts';
import { spaced } from '../../core/facts/phrase.ts';
import { formatDuration } from './quantities.ts';
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
      cell: ({ kind }) => spaced(kind),
      paint: (text, event) => (isBad(event) ? style.warn(text) : text),
    },
    { title: 'SLED', cell: ({ sled_id }) => serialOf(names, sled_id) },
    { title: 'WHAT', cell: event => whatText(event, names) },
  ];
  return tableLines(newestFirst.toReversed(), columns, { style, width });
};

const timeText = (time: string): string => new Date(time).toISOString().slice(0, 19).replace('T', ' ');

const serialOf = ({ serials }: EventNames, id: string | undefined): string =>
  id === undefined ? '-' : printable(serials.get(id) ?? id);

/** Failures that older versions wrote without a code. */
const BAD_WITHOUT_CODE: ReadonlySet<string> = new Set(['copy_lost', 'quarantine', 'history_lost']);

/** An event of an older version has no facts: then its code, or its kind, decides. */
const isBad = (event: FleetEventView): boolean => {
  const fact = factOf(event);
  if (fact !== undefined) return isFailure(fact);
  return event.error_code !== undefined || BAD_WITHOUT_CODE.has(event.kind);
};

const factOf = ({ details }: FleetEventView): EventFact | undefined =>
  details === undefined ? undefined : parseEvent(fromDetails(details));

const whatText = (event: FleetEventView, names: EventNames): string => {
  const fact = factOf(event);
  const code = event.error_code === undefined ? '' : ` [${event.error_code}]`;
  if (fact === undefined) return `${withoutFacts(event, names)}${code}`;
  const text = renderEvent(fact, {
    sled: id => serialOf(names, id),
    artifact: sha256 =>
      names.withoutHash === true ? 'the artifact' : `artifact ${sha256.slice(0, HASH_CHARS)}`,
  });
  const numbers = numbersOf(event).join(', ');
  return `${text}${numbers === '' ? '' : ` (${numbers})`}${code}`;
};

const numbersOf = ({ generation, elapsed_ms: elapsedMs }: FleetEventView): string[] => [
  ...(generation === undefined ? [] : [`generation ${generation}`]),
  ...(elapsedMs === undefined ? [] : [formatDuration(elapsedMs)]),
];

/** The text of an older version, with the facts from the columns of its row. */
const withoutFacts = (event: FleetEventView, names: EventNames): string => {
  const facts = [
    ...(event.system_version === undefined ? [] : [event.system_version]),
    ...(event.sha256 === undefined || names.withoutHash === true ? [] : [event.sha256.slice(0, HASH_CHARS)]),
    ...(event.source_sled_id === undefined ? [] : [`from ${serialOf(names, event.source_sled_id)}`]),
    ...numbersOf(event),
  ].join(', ');
  return [facts, event.message ?? ''].filter(part => part !== '').join(': ');
};
