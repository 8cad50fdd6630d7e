/** The operator's API for the history: requests to sleds, their outcomes, and changes. */
import { z } from 'zod';
import { EVENT_KINDS } from '../core/facts/event.ts';
import {
  ArtifactHash,
  EventId,
  Generation,
  NexusId,
  RequestedHash,
  SledId,
  SYSTEM_VERSION_PATTERN,
} from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { Details, PageQuery, resultsPage, Timestamp } from './wire.ts';

export const FleetEventKind = z.enum(EVENT_KINDS);
export type FleetEventKind = z.infer<typeof FleetEventKind>;

export const FleetEventView = z
  .object({
    id: EventId,
    /** By the clock of the Nexus that recorded it; for a request, the time at which it was sent. */
    time: Timestamp,
    nexus_id: NexusId,
    /** One of `EVENT_KINDS` (core/facts/event.ts), or of a newer Nexus that writes to the same database. */
    kind: z.string(),
    sled_id: SledId.optional(),
    sha256: ArtifactHash.optional(),
    generation: Generation.optional(),
    system_version: z.string().optional(),
    source_sled_id: SledId.optional(),
    /** Of a request; of a copy, from its request on; of a state, the duration of the previous one. */
    elapsed_ms: z.number().int().min(0).optional(),
    /** Of a failure, or of a reason in the status. */
    error_code: z.string().optional(),
    message: z.string().optional(),
    /** The whole event as facts, by its kind; `{ kind: 'legacy', text }` where an older version wrote a text alone. */
    details: Details.optional(),
  })
  .meta({ id: 'FleetEvent' });
export type FleetEventView = z.infer<typeof FleetEventView>;

/** With nanoseconds and an offset, and a few to spare: page tokens carry it. */
const MAX_TIME_CHARS = 64;

export const HistoryQuery = PageQuery.extend({
  sled_id: SledId.optional(),
  sha256: RequestedHash.optional(),
  /** Events that name this release, and all events of its artifacts. */
  system_version: z.string().max(64).regex(SYSTEM_VERSION_PATTERN).optional(),
  kind: FleetEventKind.optional(),
  since: Timestamp.max(MAX_TIME_CHARS).optional(),
  /** Exclusive. */
  until: Timestamp.max(MAX_TIME_CHARS).optional(),
});

export type HistoryQuery = z.infer<typeof HistoryQuery>;

export const operatorHistoryApi = {
  title: 'Operator API, history',
  version: OPERATOR_VERSION,
  description: 'Requests, outcomes and changes, as recorded in the database.',
  routes: {
    fleetHistory: defineRoute({
      operationId: 'fleet_history',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/fleet/history',
      summary: 'The events, the newest first; within the limits of retention they survive restarts',
      tags: ['fleet'],
      query: HistoryQuery,
      status: 200,
      response: { kind: 'json', schema: resultsPage(FleetEventView, 'FleetEventResultsPage') },
      errors: [],
    }),
  },
} as const satisfies Api;
