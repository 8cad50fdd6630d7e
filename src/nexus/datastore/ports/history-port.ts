/** The history: events that every Nexus adds, read by people and trimmed by age and number. */
import type { FleetEventKind } from '../../../api/operator-history-api.ts';
import type { Details } from '../../../core/facts/details.ts';
import type { ArtifactHash, EventId, Generation, NexusId, SledId, SystemVersion } from '../../../core/ids.ts';
import type { Page, Paged, Wait } from './verb.ts';

/** One event of the history. The caller bounds the texts, which have no NUL character. */
export type FleetEvent = {
  readonly id: EventId;
  /** By the clock of the Nexus that made it: for people. */
  readonly timeMs: number;
  readonly nexusId: NexusId;
  /** Of {@link FleetEventKind}, or of a newer version. */
  readonly kind: string;
  readonly sledId?: SledId | undefined;
  readonly sha256?: ArtifactHash | undefined;
  readonly generation?: Generation | undefined;
  readonly systemVersion?: string | undefined;
  readonly sourceSledId?: SledId | undefined;
  readonly elapsedMs?: number | undefined;
  readonly errorCode?: string | undefined;
  /** What is known of it beside these, by its kind: `history/stored-event.ts`. */
  readonly details?: Details | undefined;
  /** In the place of `details`, where a version before schema version 39 wrote it. */
  readonly message?: string | undefined;
};

export type FleetEventFilter = {
  readonly sledId?: SledId | undefined;
  readonly sha256?: ArtifactHash | undefined;
  /** Events that name the release, and all events of its artifacts. */
  readonly systemVersion?: SystemVersion | undefined;
  readonly kind?: FleetEventKind | undefined;
  readonly sinceMs?: number | undefined;
  /** Exclusive. */
  readonly untilMs?: number | undefined;
};

export type HistoryPort = {
  /** Adds to the history. An event whose id exists is ignored. */
  readonly fleetEventInsert: (events: readonly FleetEvent[], wait: Wait) => Promise<void>;
  /** The newest first, by time and then by id. */
  readonly fleetEventList: (filter: FleetEventFilter & Page, wait: Wait) => Promise<Paged<FleetEvent>>;
  /** The database's clock, and the time of the newest event beyond the `keepCount` newest; null without one. */
  readonly fleetEventBounds: (
    keepCount: number,
    wait: Wait,
  ) => Promise<{ readonly databaseMs: number; readonly beyondMs: number | null }>;
  /** Removes events of `untilMs` and before, the oldest first, at most `limit`. @returns how many */
  readonly fleetEventTrim: (
    trim: { readonly untilMs: number; readonly limit: number },
    wait: Wait,
  ) => Promise<number>;
};
