import type { EventId, SystemVersion } from '../../../src/core/ids.ts';
import { EventToken, eventToken } from '../../../src/nexus/datastore/event-token.ts';
import { pageOf, parseToken, rowsFor } from '../../../src/nexus/datastore/paging.ts';
import type {
  FleetEvent,
  FleetEventFilter,
  HistoryPort,
} from '../../../src/nexus/datastore/ports/history-port.ts';
import type { Page, Paged } from '../../../src/nexus/datastore/ports/verb.ts';
import type { MemoryState, Query, Step } from '../state.ts';

type Key = { readonly timeMs: number; readonly id: EventId };

const byTime = (a: Key, b: Key): number => a.timeMs - b.timeMs || (a.id < b.id ? -1 : Number(a.id > b.id));

export const fleetEventInsert =
  (events: readonly FleetEvent[]): Step<void> =>
  state => {
    const all = new Map(state.events);
    for (const event of events) if (!all.has(event.id)) all.set(event.id, withoutAbsent(event));
    return { state: { ...state, events: all }, answer: undefined };
  };

/** A row has only the given fields. */
const withoutAbsent = (event: FleetEvent): FleetEvent =>
  Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined)) as FleetEvent;

export const fleetEventList = (filter: FleetEventFilter & Page): Query<Paged<FleetEvent>> => {
  const after = parseToken(filter, EventToken);
  return state => {
    const isAsked = filterOf(filter, state);
    const rows = [...state.events.values()]
      .filter(event => isAsked(event) && (after === undefined || byTime(event, after) < 0))
      .sort((a, b) => byTime(b, a));
    return pageOf(
      rows.slice(0, rowsFor(filter)),
      filter,
      event => event,
      ({ timeMs, id }) => eventToken(timeMs, id),
    );
  };
};

const filterOf = (
  { sledId, sha256, kind, sinceMs, untilMs, systemVersion }: FleetEventFilter,
  { releases }: MemoryState,
): ((event: FleetEvent) => boolean) => {
  const isOf = systemVersion === undefined ? () => true : isOfRelease(systemVersion, releases);
  return event =>
    (sledId === undefined || event.sledId === sledId) &&
    (sha256 === undefined || event.sha256 === sha256) &&
    (kind === undefined || event.kind === kind) &&
    (sinceMs === undefined || event.timeMs >= sinceMs) &&
    (untilMs === undefined || event.timeMs < untilMs) &&
    isOf(event);
};

const isOfRelease = (
  version: SystemVersion,
  releases: MemoryState['releases'],
): ((event: FleetEvent) => boolean) => {
  const release = [...releases.values()].find(({ repo }) => repo.systemVersion === version);
  return ({ systemVersion, sha256 }) =>
    systemVersion === version || (sha256 !== undefined && release?.hashes.has(sha256) === true);
};

export const fleetEventBounds =
  (keepCount: number): Query<Awaited<ReturnType<HistoryPort['fleetEventBounds']>>> =>
  ({ events }, { nowMs }) => {
    const newestFirst = [...events.values()].sort((a, b) => byTime(b, a));
    return { databaseMs: nowMs, beyondMs: newestFirst[keepCount]?.timeMs ?? null };
  };

export const fleetEventTrim =
  ({ untilMs, limit }: Parameters<HistoryPort['fleetEventTrim']>[0]): Step<number> =>
  state => {
    const old = [...state.events.values()]
      .filter(({ timeMs }) => timeMs <= untilMs)
      .sort(byTime)
      .slice(0, limit);
    if (old.length === 0) return { state, answer: 0 };
    const events = new Map(state.events);
    for (const { id } of old) events.delete(id);
    return { state: { ...state, events }, answer: old.length };
  };
