/** The operator's API for the history: what was asked of sleds, what came of it, and what changed. */
import { z } from 'zod';
import { ArtifactHash, EventId, Generation, NexusId, SledId, SYSTEM_VERSION_PATTERN } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { PageQuery, resultsPage, Timestamp } from './wire.ts';

export const FLEET_EVENT_KINDS = [
  // Requests to sleds, as RequestRecord names them; repetitions of one outcome are thinned out.
  'put_config',
  'list',
  'put',
  'copy',
  // What sleds reported later.
  'copy_done',
  'copy_failed',
  'copy_lost',
  'deletion',
  'quarantine',
  // What changed, as the Nexus saw it.
  'generation',
  'release_state',
  'sled_state',
  // What was done, by operators, sleds or a Nexus.
  'release_recorded',
  'release_deleted',
  'target_release',
  'generation_recovered',
  'local_repo_held',
  'local_repo_dropped',
  'sled_registered',
  'sled_policy',
  'nexus_expunged',
  'nexus_started',
  'nexus_stopped',
  // That the history itself lacks events.
  'history_lost',
] as const;
export const FleetEventKind = z.enum(FLEET_EVENT_KINDS);
export type FleetEventKind = z.infer<typeof FleetEventKind>;

export const FleetEventView = z
  .object({
    id: EventId,
    /** By the clock of the Nexus that recorded it; of a request, when it was sent. */
    time: Timestamp,
    nexus_id: NexusId,
    kind: FleetEventKind,
    sled_id: SledId.optional(),
    sha256: ArtifactHash.optional(),
    generation: Generation.optional(),
    system_version: z.string().optional(),
    source_sled_id: SledId.optional(),
    /** Of a request; of a copy, from its request on; of a state, how long the one before it lasted. */
    elapsed_ms: z.number().int().min(0).optional(),
    /** Of a failure, or of a reason in the status. */
    error_code: z.string().optional(),
    message: z.string().optional(),
  })
  .meta({ id: 'FleetEvent' });
export type FleetEventView = z.infer<typeof FleetEventView>;

export const HistoryQuery = PageQuery.extend({
  sled_id: SledId.optional(),
  sha256: ArtifactHash.optional(),
  /** What names this release, and everything about the artifacts that it lists. */
  system_version: z.string().max(64).regex(SYSTEM_VERSION_PATTERN).optional(),
  kind: FleetEventKind.optional(),
  since: Timestamp.optional(),
  /** Exclusive. */
  until: Timestamp.optional(),
});

export type HistoryQuery = z.infer<typeof HistoryQuery>;

export const operatorHistoryApi = {
  title: 'Operator API, history',
  version: '1.0.0',
  description: 'Requests, outcomes and changes, as they were recorded in the database.',
  routes: {
    fleetHistory: defineRoute({
      operationId: 'fleet_history',
      method: 'GET',
      path: '/v1/system/fleet/history',
      summary: 'What happened, the newest first; within the bounds of retention it outlives every restart',
      tags: ['fleet'],
      query: HistoryQuery,
      status: 200,
      response: { kind: 'json', schema: resultsPage(FleetEventView, 'FleetEventResultsPage') },
      errors: [],
    }),
  },
} as const satisfies Api;
