/**
 * What happened: the kinds of events of the history, and what is known of each.
 *
 *     note() ─▶ EventFact ─▶ columns to filter by, and the rest in `details` ─▶ EventFact ─▶ renderEvent() (event-text.ts)
 *
 * KE1. As KR1 and KR2 of reason.ts: an event is data, and what was released keeps its name and meaning.
 * KE2. Several versions of Nexus may write to one database: {@link parseEvent} is undefined for what this one does not
 *      know, and {@link unknownEventText} shows it.
 */
import { z } from 'zod';
import {
  ArtifactHash,
  DatasetId,
  Generation,
  IncarnationId,
  NexusId,
  SledId,
  SystemVersion,
  UploadId,
} from '../ids.ts';
import type { Details } from './details.ts';
import { spaced } from './phrase.ts';
import { Count, type HealthReason, parseReason, Words } from './reason.ts';

const Reason = z.custom<HealthReason>().transform((value, context) => {
  const reason = parseReason(value);
  if (reason !== undefined) return reason;
  context.addIssue({ code: 'custom', message: 'is no reason that this version knows' });
  return z.NEVER;
});

/** `safe` and `complete` as in progress.ts; `failed` by HE3 of health.ts. */
export const ReleaseState = z.enum(['replicating', 'safe', 'complete', 'blocked', 'failed']);
export type ReleaseState = z.infer<typeof ReleaseState>;

/** What an operator has set for a sled or a Nexus. */
export const Policy = z.enum(['in_service', 'expunged']);
export type Policy = z.infer<typeof Policy>;

const ElapsedMs = z.number().min(0);

const request = {
  sledId: SledId,
  generation: Generation.optional(),
  /** Of the request. */
  elapsedMs: ElapsedMs,
  /** Where it failed: with what, and how often in a row. */
  errorCode: Words.optional(),
  error: Words.optional(),
  failures: Count.optional(),
  /** It went well, and the one before it had not. */
  hadFailed: z.boolean().optional(),
};
/** What a sled reports later; `sledTime` where its clock is not that of the Nexus. */
const reported = { sledId: SledId, sha256: ArtifactHash, sledTime: Words.optional() };
/** A copy that was accepted; its time is from the request on. */
const accepted = {
  sledId: SledId,
  sha256: ArtifactHash,
  sourceSledId: SledId.optional(),
  elapsedMs: ElapsedMs,
  generation: Generation,
};

export const eventSchemas = {
  // Requests to sleds; repetitions of one outcome are thinned out.
  put_config: z.object(request),
  list: z.object(request),
  put: z.object({ ...request, sha256: ArtifactHash }),
  copy: z.object({ ...request, sha256: ArtifactHash, sourceSledId: SledId.optional() }),
  // Later reports of sleds.
  copy_done: z.object({ ...accepted, datasetsHolding: Count, datasets: Count }),
  copy_failed: z.object({ ...reported, errorCode: Words, source: Words, error: Words }),
  copy_lost: z.object(accepted),
  deletion: z.object({ ...reported, generation: Generation, why: Words }),
  quarantine: z.object({ ...reported, datasetId: DatasetId, why: Words }),
  // Changes that the Nexus observed.
  generation: z.object({
    generation: Generation,
    /** Absent in the first round of a Nexus. */
    previousGeneration: Generation.optional(),
    added: z.array(Words).readonly(),
    removed: z.array(Words).readonly(),
    present: z.array(Words).readonly(),
  }),
  release_state: z.object({
    systemVersion: Words,
    generation: Generation,
    state: ReleaseState,
    previousState: ReleaseState.optional(),
    /** How long the state before it lasted. */
    elapsedMs: ElapsedMs.optional(),
    errorCode: Words.optional(),
    reason: Reason.optional(),
  }),
  sled_state: z.object({
    sledId: SledId,
    generation: Generation,
    errorCode: Words,
    reason: Reason,
    isOver: z.boolean(),
    /** How long it lasted, of what is over. */
    elapsedMs: ElapsedMs.optional(),
  }),
  // Actions of operators, sleds or a Nexus.
  release_recorded: z.object({
    systemVersion: SystemVersion,
    generation: Generation,
    uploadId: UploadId,
    wasThere: z.boolean(),
    /** For the database. */
    waitedMs: Count,
    overrides: z.array(Words).readonly(),
  }),
  release_deleted: z.object({
    systemVersion: SystemVersion,
    generation: Generation,
    by: z.enum(['operator', 'retention']),
  }),
  target_release: z.object({
    systemVersion: SystemVersion,
    previousVersion: SystemVersion.optional(),
    isForced: z.boolean(),
  }),
  generation_recovered: z.discriminatedUnion('by', [
    z.object({
      by: z.literal('operator'),
      generation: Generation,
      previousGeneration: Generation,
      pointsAccepted: Count,
    }),
    /** Above a sled of another history, of which all is wanted. */
    z.object({
      by: z.literal('nexus'),
      generation: Generation,
      previousGeneration: Generation,
      sledId: SledId,
      foreignGeneration: Generation,
    }),
  ]),
  trust_root_added: z.object({ trustRootId: Words, rootVersion: Count }),
  trust_root_deleted: z.object({ trustRootId: Words }),
  /** Roots that a restored database had forgotten, and a sled had pinned. */
  trust_root_recovered: z.object({
    trustRootId: Words,
    sledId: SledId,
    version: Count,
    previousVersion: Count,
  }),
  local_repo_held: z.object({
    systemVersion: SystemVersion,
    uploadId: UploadId,
    /** By an upload, adopted at the start, or after the database had lost it: recorded again, or listed again by itself. */
    how: z.enum(['uploaded', 'adopted', 'recorded_again', 'listed_again']),
  }),
  local_repo_dropped: z.object({ systemVersion: SystemVersion, generation: Generation, uploadId: UploadId }),
  sled_registered: z.object({
    sledId: SledId,
    serial: Words,
    address: Words,
    incarnationId: IncarnationId.optional(),
    datasets: z.array(z.object({ path: Words, state: Words })).readonly(),
  }),
  sled_policy: z.object({ sledId: SledId, policy: Policy }),
  /** An operator approved it as plain, or ended that; `registered`: its registration with an identity did. */
  sled_transport: z.object({
    sledId: SledId,
    plainAddress: Words.optional(),
    because: z.enum(['operator', 'registered']),
  }),
  sled_forgotten: z.object({ sledId: SledId, serial: Words, address: Words }),
  nexus_expunged: z.object({ expungedNexusId: NexusId }),
  nexus_started: z.object({ operatorAddress: Words }),
  nexus_stopped: z.object({ operatorAddress: Words }),
  // Events are missing from the history.
  history_lost: z.object({ events: Count }),
} as const satisfies Record<string, z.ZodType<object>>;

export type EventKind = keyof typeof eventSchemas;
export const EVENT_KINDS = Object.keys(eventSchemas) as [EventKind, ...EventKind[]];

export type EventFact<K extends EventKind = EventKind> = {
  readonly [E in K]: { readonly kind: E } & Readonly<z.infer<(typeof eventSchemas)[E]>>;
}[K];

/** An event of a version that kept a text in the place of facts. */
export type LegacyEvent = { readonly kind: 'legacy'; readonly text: string };

/** KE2. */
export const parseEvent = (value: Readonly<Record<string, unknown>>): EventFact | undefined => {
  const kind = value.kind;
  if (typeof kind !== 'string' || !Object.hasOwn(eventSchemas, kind)) return undefined;
  const parsed = eventSchemas[kind as EventKind].safeParse(value);
  return parsed.success ? ({ kind, ...parsed.data } as EventFact) : undefined;
};

/** KE2: as it is stored, where nothing else is known of it. */
export const unknownEventText = (kind: string, details: Details): string =>
  `${spaced(kind)}, which this version does not know: ${JSON.stringify(details)}`;

/** Something went wrong: an event to look at among many. */
export const isFailure = (event: EventFact): boolean => {
  switch (event.kind) {
    case 'history_lost':
    case 'copy_lost':
    case 'quarantine':
      return true;
    case 'sled_state':
      return !event.isOver;
    default:
      return 'errorCode' in event && event.errorCode !== undefined;
  }
};
