/**
 * Events as the database has them: what is filtered by in columns, the rest in `details`, and back.
 *
 * SV1. Every text is one that a database stores, and of bounded length; so is every list (HI2).
 * SV2. What comes back is a fact, the text of an older version, or what a newer one wrote (KE2 of core/facts/event.ts).
 */
import { type Details, fromDetails, toDetails } from '../../core/facts/details.ts';
import { type EventFact, type LegacyEvent, parseEvent, unknownEventText } from '../../core/facts/event.ts';
import { renderEvent } from '../../core/facts/event-text.ts';
import type { FleetEvent } from '../datastore/ports/history-port.ts';

/** Chains of causes quote peers; beyond this nobody reads. */
const MAX_TEXT_CHARS = 1_000;
const MAX_CODE_CHARS = 64;
/** More releases than a fleet keeps. */
const MAX_ITEMS = 100;

const COLUMNS = [
  'sledId',
  'sha256',
  'generation',
  'systemVersion',
  'sourceSledId',
  'elapsedMs',
  'errorCode',
] as const satisfies readonly (keyof FleetEvent)[];
type Columns = Pick<FleetEvent, (typeof COLUMNS)[number]>;

/** Without what it has from its noting: id, time and Nexus. */
export const toStored = (event: EventFact): Omit<FleetEvent, 'id' | 'timeMs' | 'nexusId'> => {
  const { kind, ...fields } = event;
  const isColumn = (name: string): boolean => (COLUMNS as readonly string[]).includes(name);
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  const columns = Object.fromEntries(entries.filter(([name]) => isColumn(name))) as Columns;
  const { elapsedMs, errorCode } = columns;
  return {
    kind,
    ...columns,
    ...(elapsedMs !== undefined && { elapsedMs: Math.max(0, Math.round(elapsedMs)) }),
    ...(errorCode !== undefined && { errorCode: bounded(errorCode, MAX_CODE_CHARS) }),
    details: storable(toDetails(Object.fromEntries(entries.filter(([name]) => !isColumn(name))))) as Details,
  };
};

export type ShownEvent = { readonly message: string; readonly details: Details };

/** SV2: as people and programs are shown it. */
export const showStored = (row: FleetEvent): ShownEvent => {
  const { kind, details, message: text = '' } = row;
  if (details === undefined) {
    const legacy: LegacyEvent = { kind: 'legacy', text };
    return { message: text, details: legacy };
  }
  const columns = Object.fromEntries(COLUMNS.map(name => [name, row[name]]));
  const all = { kind, ...columns, ...fromDetails(details) };
  const event = parseEvent(all);
  return event === undefined
    ? { message: unknownEventText(kind, details), details: toDetails(all) }
    : { message: renderEvent(event), details: toDetails(event) };
};

const storable = (value: unknown): unknown => {
  if (typeof value === 'string') return bounded(value, MAX_TEXT_CHARS);
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(storable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, storable(each)]));
};

/** Of a length that the table is meant for, and without what no database stores. */
const bounded = (text: string, chars: number): string => {
  const clean = text.replaceAll('\u0000', ' ').toWellFormed();
  return clean.length <= chars ? clean : `${clean.slice(0, chars - 1).toWellFormed()}…`;
};
