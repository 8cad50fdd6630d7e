/** The artifact API of a sled agent: compatible with the published one; our additions are optional in answers. */
import { z } from 'zod';
import { MAX_CONFIG_ARTIFACTS } from '../core/artifact-config.ts';
import { DatasetFault } from '../core/facts/reason.ts';
import {
  ArtifactHash,
  DatasetId,
  Generation,
  IncarnationId,
  LeaseId,
  PointText,
  RequestedHash,
  SetDigest,
  Sha256Hex,
  SystemVersion,
} from '../core/ids.ts';
import { MAX_OFFERED_RELEASES } from '../core/release-trust.ts';
import { MAX_REVOCATIONS } from '../core/revocation.ts';
import { MAX_STATEMENTS } from '../core/statement.ts';
import {
  releaseTrustRoutes,
  WireBundleReport,
  WireOfferedRelease,
  WireTrustReport,
} from './release-trust-api.ts';
import { type Api, defineRoute } from './route.ts';
import { SignedStatement } from './statement.ts';
import { CopyFailure, CopyInFlight, HashParam, SMALL_BODY_BYTES, transferRoutes } from './transfer-api.ts';
import { SLED_AGENT_VERSION } from './versions.ts';
import { answerWord, ByteCount, isVisible, NOT_VISIBLE, Timestamp } from './wire.ts';

export const WirePoint = z.object({ generation: Generation, config_digest: SetDigest }).meta({ id: 'Point' });

export const ArtifactConfigBody = z
  .object({
    generation: Generation,
    artifacts: z
      .array(RequestedHash)
      .max(MAX_CONFIG_ARTIFACTS)
      .refine(hashes => new Set(hashes).size === hashes.length, 'lists a hash twice'),
    /** Hash to length in bytes; ignored by the equality of configs (P10). */
    sizes: z.record(RequestedHash, ByteCount).optional(),
    /** The point that this config succeeds in the database: the sled's, or `unknown` (P13). Absent without lineage. */
    succeeds: z.union([WirePoint, z.literal('unknown')]).optional(),
    /** The point of which `unknown` is said: it says nothing about another one, which the sled may have adopted since. */
    unknown_point: WirePoint.optional(),
    /** What vouches for each release; ignored by the equality of configs, and never a reason to refuse one. */
    releases: z.array(WireOfferedRelease).max(MAX_OFFERED_RELEASES).optional(),
  })
  .meta({ id: 'ArtifactConfig' });
export type ArtifactConfigBody = z.infer<typeof ArtifactConfigBody>;

export const RevokedIdentitiesBody = z
  .object({
    revoked: z
      .array(z.object({ kind: z.enum(['nexus', 'sled']), id: z.guid().toLowerCase(), time: Timestamp }))
      .max(MAX_REVOCATIONS),
  })
  .meta({ id: 'RevokedIdentities' });
export type RevokedIdentitiesBody = z.infer<typeof RevokedIdentitiesBody>;

export const StatementsBody = z
  .object({ statements: z.array(SignedStatement).max(MAX_STATEMENTS) })
  .meta({ id: 'Statements' });
export type StatementsBody = z.infer<typeof StatementsBody>;

export const StatementsAnswer = z
  .object({
    /** Those that do not count here, and why; the others do. */
    refused: z.array(z.object({ statement_sha256: Sha256Hex, reason: z.string() })).max(MAX_STATEMENTS),
  })
  .meta({ id: 'StatementsAnswer' });
export type StatementsAnswer = z.infer<typeof StatementsAnswer>;

/** More than a sled keeps, and the newest one. */
const MAX_AUDIT_HEADS = 64;
const AuditLogHead = z.object({
  /** The number of an entry of the audit log. */
  seq: z.number().int().min(1),
  hash: Sha256Hex,
});
export const AuditHeadsBody = z
  .object({
    /** Of one chain: the newest head, and the entries that the log has at the numbers that the sled keeps. */
    heads: z.array(AuditLogHead).max(MAX_AUDIT_HEADS),
  })
  .meta({ id: 'AuditHeads' });
export type AuditHeadsBody = z.infer<typeof AuditHeadsBody>;

export const KeptAuditHeads = z
  .object({
    heads: z
      .array(
        AuditLogHead.extend({
          /** When this sled was told it first, by its own clock. */
          time: Timestamp,
        }),
      )
      .max(MAX_AUDIT_HEADS),
  })
  .meta({ id: 'KeptAuditHeads' });
export type KeptAuditHeads = z.infer<typeof KeptAuditHeads>;

export const ArtifactDeletion = z.object({
  sha256: ArtifactHash,
  generation: Generation,
  reason: z.string(),
  time: Timestamp,
});

/** Bounds of the extras in a list, so that an answer stays small whatever happens on the sled. */
export const MAX_LISTED_EVENTS = 256;

/** The default term of a lease: an installation takes minutes. */
const DEFAULT_LEASE_TERM_S = 3_600;
/** A dead holder keeps a file no longer than this; a live one renews. */
export const MAX_LEASE_TERM_S = 86_400;
/** A deferred deletion names this many of its leases, those that last longest. */
export const MAX_LISTED_LEASES = 8;

export const ArtifactLease = z
  .object({
    sha256: ArtifactHash,
    id: LeaseId,
    holder: z.string().optional(),
    term_s: z.number().int().min(1),
    /** By the sled's wall clock, for people; `remaining_s` is authoritative. */
    time_expires: Timestamp,
    remaining_s: z.number().min(0),
  })
  .meta({ id: 'ArtifactLease' });
export type ArtifactLease = z.infer<typeof ArtifactLease>;

const ArtifactLeaseParams = z
  .object({
    term_s: z.number().int().min(1).max(MAX_LEASE_TERM_S).default(DEFAULT_LEASE_TERM_S),
    /** The name of the holder, for people: shown with a deferred deletion. */
    holder: z.string().min(1).max(128).refine(isVisible, NOT_VISIBLE).optional(),
  })
  .meta({ id: 'ArtifactLeaseParams' });

/** No config lists it, and a lease holds it (B6). */
export const DeferredDeletion = z.object({
  sha256: ArtifactHash,
  reason: z.string(),
  leases: z.array(ArtifactLease).max(MAX_LISTED_LEASES).optional(),
});
export type DeferredDeletion = z.infer<typeof DeferredDeletion>;
/** No config lists it, and it waits for its deletion (T4). */
export const WaitingDeletion = z.object({
  sha256: ArtifactHash,
  size_bytes: ByteCount,
  /** 0 for one that is due. */
  remaining_s: z.number().min(0),
});
export type WaitingDeletion = z.infer<typeof WaitingDeletion>;

export const WaitingDeletions = z
  .object({
    artifacts: z.number().int().min(0),
    size_bytes: ByteCount,
    /** Those that go first. */
    first: z.array(WaitingDeletion).max(MAX_LISTED_EVENTS),
  })
  .meta({ id: 'WaitingDeletions' });
export type WaitingDeletions = z.infer<typeof WaitingDeletions>;

export const QuarantinedFile = z.object({
  sha256: ArtifactHash,
  dataset_id: DatasetId,
  reason: z.string(),
  time: Timestamp,
});
export type QuarantinedFile = z.infer<typeof QuarantinedFile>;
export const DatasetHealth = z.object({
  id: DatasetId.nullable(),
  /** The directory, as configured. */
  path: z.string(),
  state: answerWord(['ok', ...DatasetFault.options]),
  message: z.string().optional(),
  used_bytes: ByteCount.optional(),
  quota_bytes: ByteCount.optional(),
  free_bytes: ByteCount.optional(),
  /** Of artifacts that no config lists, which are deleted by themselves within minutes: they count as room. */
  reclaimable_bytes: ByteCount.optional(),
  /** Of artifacts that no config lists, and that a limit, a hold, a kept config or a lease keeps. */
  retained_bytes: ByteCount.optional(),
  /** Bad copies, kept as evidence: their number, and the time of the last one. */
  quarantined: z.number().int().min(0).optional(),
  time_last_quarantined: Timestamp.optional(),
});
export type DatasetHealth = z.infer<typeof DatasetHealth>;

/** The progress of the scrub (G5). */
export const ScrubProgress = z
  .object({
    cycle_started: Timestamp,
    cycles_completed: z.number().int().min(0),
    files_done: z.number().int().min(0),
    files_total: z.number().int().min(0),
    bytes_done: ByteCount,
    last_completed: Timestamp.optional(),
    last_bad: z.object({ sha256: ArtifactHash, reason: z.string(), time: Timestamp }).optional(),
  })
  .meta({ id: 'ScrubProgress' });
export type ScrubProgress = z.infer<typeof ScrubProgress>;

/** Points of other histories that a sled keeps at once; each needs the decision of an operator. */
export const MAX_POINTS_KEPT = 16;

export const ArtifactListResponse = z
  .object({
    generation: Generation,
    /** Artifacts of the config only, with the number of datasets that hold them at the right length. */
    list: z.record(z.string(), z.number().int().min(0)),
    // Extra to the published shape; absent from other sled agents.
    /** SHA-256 of the wanted set of this generation (P7). */
    config_digest: SetDigest.optional(),
    /** Whether this sled has adopted a config that named its predecessor; absent where points are not compared (P13). */
    lineage: z.boolean().optional(),
    /** Points of other histories whose artifacts are kept until a recovery has decided on them. */
    points_kept: z.array(WirePoint).max(MAX_POINTS_KEPT).optional(),
    /** Nothing is deleted until this sled is offered its own point again, or a successor of it. */
    deletions_held: z.object({ reason: z.string(), time: Timestamp }).optional(),
    incarnation_id: IncarnationId.optional(),
    /** The number of usable datasets, which defines "fully replicated on this sled" (B9). */
    datasets: z.number().int().min(0).optional(),
    dataset_health: z.array(DatasetHealth).optional(),
    copies_in_flight: z.array(CopyInFlight).optional(),
    copies_completed_total: z.number().int().min(0).optional(),
    copies_failed_total: z.number().int().min(0).optional(),
    copies_failed: z.array(CopyFailure).max(MAX_LISTED_EVENTS).optional(),
    deletions_total: z.number().int().min(0).optional(),
    deletions: z.array(ArtifactDeletion).max(MAX_LISTED_EVENTS).optional(),
    deletions_deferred: z.array(DeferredDeletion).max(MAX_LISTED_EVENTS).optional(),
    /** Present while some wait; a config that lists such an artifact again takes it back. */
    deletions_waiting: WaitingDeletions.optional(),
    /** Present while some are beyond the limit of what may be deleted within a day. */
    deletions_limited: WaitingDeletions.optional(),
    /** In force, for any artifact. */
    leases_total: z.number().int().min(0).optional(),
    quarantined: z.array(QuarantinedFile).max(MAX_LISTED_EVENTS).optional(),
    scrub: ScrubProgress.optional(),
    /** Whether this sled stores and serves only what a verified bundle lists; absent from a sled agent without that. */
    require_signed: z.boolean().optional(),
    /** Of the releases of the config in force. */
    bundles: z.array(WireBundleReport).max(MAX_OFFERED_RELEASES).optional(),
    /** Artifacts of the config in force that no admitted bundle lists; none of them is in `list`. */
    withheld: z.array(ArtifactHash).max(MAX_CONFIG_ARTIFACTS).optional(),
    trust: WireTrustReport.optional(),
    /** The release that the machine runs, where its configuration says how to know. */
    running_version: SystemVersion.optional(),
    /** The `etag` of this answer; absent while the list changes by itself. */
    tag: z.string().max(64).optional(),
  })
  .meta({ id: 'ArtifactListResponse' });
export type ArtifactListResponse = z.infer<typeof ArtifactListResponse>;

/** A config of 100,000 artifacts with sizes is 15 MiB; nothing else comes near. */
const MAX_CONFIG_BODY_BYTES = 32 * 1024 * 1024;
/** The most statements, each with the longest text in escaped form. */
const MAX_STATEMENTS_BODY_BYTES = 16 * 1024 * 1024;
const LeaseParams = z.object({ sha256: RequestedHash, id: LeaseId });
export const sledAgentApi = {
  title: 'Sled Agent API, artifact endpoints',
  version: SLED_AGENT_VERSION,
  description: 'Requests of Nexus to a sled: adopt a config, list, store and copy artifacts.',
  routes: {
    artifactConfigGet: defineRoute({
      operationId: 'artifact_config_get',
      audience: 'nexus',
      method: 'GET',
      path: '/artifacts-config',
      summary: "This sled's artifact config, or the one of another point that it has or keeps.",
      query: z.object({
        /** `GENERATION:DIGEST`; without it the config in force. */
        point: PointText.optional(),
      }),
      status: 200,
      response: { kind: 'json', schema: ArtifactConfigBody },
      errors: ['NO_ARTIFACT_CONFIG', 'AWAITING_FLOOR', 'NOT_FOUND'],
    }),
    artifactConfigPut: defineRoute({
      operationId: 'artifact_config_put',
      audience: 'nexus',
      method: 'PUT',
      path: '/artifacts-config',
      summary:
        "Adopt an artifact config, unless it is older than the sled's own, differs from it at the same generation, or lists less and does not succeed it.",
      body: { kind: 'json', schema: ArtifactConfigBody, maxBytes: MAX_CONFIG_BODY_BYTES },
      status: 204,
      response: { kind: 'empty' },
      errors: ['CONFIG_GENERATION', 'AWAITING_FLOOR', 'NO_USABLE_DATASET', 'NO_SPACE'],
    }),
    artifactList: defineRoute({
      operationId: 'artifact_list',
      audience: 'nexus',
      method: 'GET',
      path: '/artifacts',
      summary: 'The artifacts of the config that this sled holds, and on how many datasets.',
      revalidates: true,
      status: 200,
      response: { kind: 'json', schema: ArtifactListResponse },
      errors: ['NO_ARTIFACT_CONFIG', 'AWAITING_FLOOR'],
    }),
    ...transferRoutes,
    ...releaseTrustRoutes,
    revokedIdentitiesPut: defineRoute({
      operationId: 'revoked_identities_put',
      audience: 'nexus',
      method: 'PUT',
      path: '/revoked-identities',
      summary:
        'Add to the identities whose certificates of that time and before do not count here. None is ever taken back.',
      body: { kind: 'json', schema: RevokedIdentitiesBody },
      status: 204,
      response: { kind: 'empty' },
      errors: ['NO_SPACE'],
    }),
    statementsGet: defineRoute({
      operationId: 'statements_get',
      audience: 'nexus',
      method: 'GET',
      path: '/statements',
      summary: 'The statements of admin keys that count here.',
      status: 200,
      response: { kind: 'json', schema: StatementsBody },
      errors: [],
    }),
    statementsPut: defineRoute({
      operationId: 'statements_put',
      audience: 'nexus',
      servesExpired: true,
      // Each statement proves itself. Otherwise a sled at which every Nexus was revoked by a false one could not be told that they
      // count again.
      servesRevoked: true,
      method: 'PUT',
      path: '/statements',
      summary:
        'Add to the statements that count here: those that an admin key which is pinned here has signed for this fleet. No request removes one.',
      body: { kind: 'json', schema: StatementsBody, maxBytes: MAX_STATEMENTS_BODY_BYTES },
      status: 200,
      response: { kind: 'json', schema: StatementsAnswer },
      errors: ['NO_SPACE'],
    }),
    auditHeadsGet: defineRoute({
      operationId: 'audit_heads_get',
      audience: 'nexus',
      method: 'GET',
      path: '/audit-heads',
      summary: 'The heads of the audit log that this sled keeps.',
      status: 200,
      response: { kind: 'json', schema: KeptAuditHeads },
      errors: [],
    }),
    auditHeadsPut: defineRoute({
      operationId: 'audit_heads_put',
      audience: 'nexus',
      method: 'PUT',
      path: '/audit-heads',
      summary:
        'Keep the newest head of the audit log, and what contradicts an earlier one. A sled refuses nothing because of them.',
      body: { kind: 'json', schema: AuditHeadsBody, maxBytes: SMALL_BODY_BYTES },
      status: 204,
      response: { kind: 'empty' },
      errors: ['NO_USABLE_DATASET', 'NO_SPACE'],
    }),
    artifactLeaseList: defineRoute({
      operationId: 'artifact_lease_list',
      audience: 'self',
      method: 'GET',
      path: '/artifacts/{sha256}/leases',
      summary: 'The leases of one artifact that are in force, the longest first.',
      params: HashParam,
      status: 200,
      response: {
        kind: 'json',
        schema: z.object({ leases: z.array(ArtifactLease) }).meta({ id: 'ArtifactLeaseList' }),
      },
      errors: [],
    }),
    artifactLeasePut: defineRoute({
      operationId: 'artifact_lease_put',
      audience: 'self',
      method: 'PUT',
      path: '/artifacts/{sha256}/leases/{id}',
      summary:
        'Take a lease on an artifact that this sled holds, or renew it: the file is kept until it is returned or expires, whatever the config lists.',
      params: LeaseParams,
      body: { kind: 'json', schema: ArtifactLeaseParams, maxBytes: SMALL_BODY_BYTES },
      status: 200,
      response: { kind: 'json', schema: ArtifactLease },
      errors: ['ARTIFACT_NOT_HELD', 'TOO_MANY_LEASES', 'NO_USABLE_DATASET', 'NO_SPACE'],
    }),
    artifactLeaseDelete: defineRoute({
      operationId: 'artifact_lease_delete',
      audience: 'self',
      method: 'DELETE',
      path: '/artifacts/{sha256}/leases/{id}',
      summary: 'Return a lease; idempotent.',
      params: LeaseParams,
      status: 204,
      response: { kind: 'empty' },
      errors: ['NO_USABLE_DATASET', 'NO_SPACE'],
    }),
  },
} as const satisfies Api;
