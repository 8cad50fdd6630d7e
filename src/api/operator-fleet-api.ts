/** The operator's API for the fleet and for replication: our additions beside the published endpoints. */
import { z } from 'zod';
import { Policy, ReleaseState } from '../core/facts/event.ts';
import { Verdict } from '../core/facts/reason.ts';
import {
  ArtifactHash,
  Generation,
  NexusId,
  RequestedHash,
  SetDigest,
  Sha256Hex,
  SledId,
  SYSTEM_VERSION_PATTERN,
} from '../core/ids.ts';
import { BUNDLE_KINDS } from '../core/release-trust.ts';
import { FleetEventView } from './operator-history-api.ts';
import { WireBundleReport, WireTrustReport } from './release-trust-api.ts';
import { type Api, defineRoute } from './route.ts';
import {
  ArtifactDeletion,
  DatasetHealth,
  DeferredDeletion,
  QuarantinedFile,
  ScrubProgress,
  WaitingDeletion,
  WaitingDeletions,
  WirePoint,
} from './sled-agent-api.ts';
import { ReachableIp } from './socket-address.ts';
import { CopyFailure, CopyInFlight } from './transfer-api.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, ByteCount, Details, PageQuery, QueryFlag, resultsPage, Timestamp } from './wire.ts';

/**
 * Why something does not progress, or is not as it should be: a stable code, its facts, and the English for people.
 * `docs/operations.md` lists the codes and the names in `details`. Fields may be absent where an older Nexus answers.
 */
export const Reason = z
  .object({
    code: z.string(),
    message: z.string(),
    /** What to do, where there is something. */
    remedy: z.string().optional(),
    /** The facts that the message is made of, by the code. Times are milliseconds since 1970. */
    details: Details.optional(),
    sled_id: SledId.optional(),
    sha256: ArtifactHash.optional(),
    system_version: z.string().optional(),
    time_since: Timestamp.optional(),
  })
  .meta({ id: 'Reason' });
export type Reason = z.infer<typeof Reason>;

/** How many reasons of each code there are, the worst codes first: of many alike only some are listed. */
export const ReasonTotals = z.array(z.object({ code: z.string(), total: z.number().int().min(1) }));
export type ReasonTotals = z.infer<typeof ReasonTotals>;

export const SledReplication = z.object({
  sled_id: SledId,
  serial: z.string(),
  /** The sled's last answer. */
  state: answerWord([
    'ok',
    'unreachable',
    'busy',
    'diverged',
    'bad_answer',
    'other_identity',
    'refused',
    'not_yet_asked',
  ]),
  artifacts_wanted: z.number().int().min(0),
  /** On at least one dataset. */
  artifacts_held: z.number().int().min(0),
  /** On every usable dataset. */
  artifacts_held_fully: z.number().int().min(0),
  bytes_wanted: ByteCount,
  bytes_held: ByteCount,
});
export type SledReplication = z.infer<typeof SledReplication>;

/** The progress of one release. `safe`: enough sleds hold all of it; `complete`: every in-service sled does (S24). */
export const ReleaseReplication = z
  .object({
    system_version: z.string(),
    state: answerWord(ReleaseState.options),
    safe: z.boolean(),
    complete: z.boolean(),
    min_sled_replication: z.number().int().min(1),
    sleds_in_service: z.number().int().min(0),
    sleds_holding_all: z.number().int().min(0),
    artifacts: z.number().int().min(0),
    /** Summed over sleds: artifacts × in-service sleds when complete. */
    copies_wanted: z.number().int().min(0),
    copies_held: z.number().int().min(0),
    bytes_wanted: ByteCount,
    bytes_held: ByteCount,
    /** Of all sleds together, as of late; absent while nothing arrives. */
    bytes_per_s: ByteCount.optional(),
    /** Until every sled in service has all of it, at this rate. */
    remaining_s: z.number().int().min(0).optional(),
    sleds: z.array(SledReplication),
    /** What vouches for the release before the sleds. */
    bundle: z
      .object({
        sha256: Sha256Hex,
        /** Whether signatures cover every artifact of it, some, or none. */
        kind: answerWord(BUNDLE_KINDS),
        /** An admin decided that it counts, whatever signed it. */
        exempted: z.boolean(),
      })
      .optional(),
    reasons: z.array(Reason),
    reason_totals: ReasonTotals.optional(),
    /** When the sleds were asked; absent before the first activation of this Nexus. */
    time_observed: Timestamp.optional(),
  })
  .meta({ id: 'ReleaseReplication' });
export type ReleaseReplication = z.infer<typeof ReleaseReplication>;

export const SledTransportName = z.enum(['tls', 'plain']);
export type SledTransportName = z.infer<typeof SledTransportName>;

export const SledView = z
  .object({
    id: SledId,
    serial: z.string(),
    part: z.string(),
    address: z.string(),
    repo_depot_port: z.number().int().min(0),
    policy: answerWord(Policy.options),
    /** `plain`: without an identity, at an address that an admin approved. */
    transport: answerWord(SledTransportName.options).optional(),
    /** Observed, never a cause of a policy change (S23). */
    liveness: answerWord(['alive', 'silent', 'unknown']),
    time_registered: Timestamp,
    time_last_registered: Timestamp,
    generation: Generation.nullable(),
    /** With the generation the point of its config; absent from a sled that does not compare points. */
    config_digest: SetDigest.optional(),
    datasets: z.array(DatasetHealth),
    replication: SledReplication.nullable(),
    copies_in_flight: z.array(CopyInFlight),
    copies_failed: z.array(CopyFailure),
    deletions_total: z.number().int().min(0),
    deletions: z.array(ArtifactDeletion),
    /** No release lists them, but leases on the sled hold them. */
    deletions_deferred: z.array(DeferredDeletion),
    /** No release lists them, and they wait for their deletion: until then a release takes them back. */
    deletions_waiting: WaitingDeletions.optional(),
    /** Beyond the limit of what the sled deletes within a day: they wait longer. */
    deletions_limited: WaitingDeletions.optional(),
    /** Present while the sled deletes nothing: it refused a config, or the database does not know its config. */
    deletions_held: z.object({ reason: z.string(), time: Timestamp }).optional(),
    /** Points of other histories, whose artifacts it keeps until a recovery has decided on them. */
    points_kept: z.array(WirePoint).optional(),
    /** Copies found bad and kept as evidence. */
    quarantined: z.array(QuarantinedFile),
    scrub: ScrubProgress.optional(),
    /** Whether it stores and serves only what a verified bundle lists; absent from one that does not know of bundles. */
    require_signed: z.boolean().optional(),
    /** Of the releases of its config. */
    bundles: z.array(WireBundleReport).optional(),
    /** Artifacts of its config that no admitted bundle lists. */
    artifacts_withheld: z.number().int().min(0).optional(),
    trust: WireTrustReport.optional(),
    reasons: z.array(Reason),
  })
  .meta({ id: 'SledView' });
export type SledView = z.infer<typeof SledView>;

export const NexusView = z
  .object({
    id: NexusId,
    policy: answerWord(Policy.options),
    /** By the database's clock: `silent` after three missed heartbeats. */
    liveness: answerWord(['alive', 'silent']),
    is_self: z.boolean(),
    operator_address: z.string(),
    time_started: Timestamp,
    time_heartbeat: Timestamp,
    local_repos: z.number().int().min(0),
  })
  .meta({ id: 'NexusView' });
export type NexusView = z.infer<typeof NexusView>;

const RequestOperation = z.enum(['put_config', 'list', 'put', 'copy']);
export const RequestRecord = z
  .object({
    time: Timestamp,
    target_sled: SledId,
    operation: RequestOperation,
    generation: Generation.optional(),
    hash: ArtifactHash.optional(),
    source_sled: SledId.optional(),
    elapsed_ms: z.number().min(0),
    error: z.string().optional(),
    error_code: z.string().optional(),
  })
  .meta({ id: 'RequestRecord' });
export type RequestRecord = z.infer<typeof RequestRecord>;

export const ArtifactSummary = z
  .object({
    sha256: ArtifactHash,
    size_bytes: ByteCount,
    releases: z.array(z.string()),
    sleds_holding: z.number().int().min(0),
    sleds_in_service: z.number().int().min(0),
  })
  .meta({ id: 'ArtifactSummary' });
export type ArtifactSummary = z.infer<typeof ArtifactSummary>;

export const ArtifactView = z
  .object({
    sha256: ArtifactHash,
    size_bytes: ByteCount,
    /** Whether a present release lists it; otherwise sleds delete it. */
    wanted: z.boolean(),
    roles: z.array(
      z.object({
        system_version: z.string(),
        release_present: z.boolean(),
        target_name: z.string(),
        version: z.string(),
        tags: z.record(z.string(), z.string()),
      }),
    ),
    sleds: z.array(
      z.object({
        sled_id: SledId,
        serial: z.string(),
        copies: z.number().int().min(0),
        datasets: z.number().int().min(0),
        copy_in_flight: CopyInFlight.optional(),
        copy_failed: CopyFailure.optional(),
        deletion: ArtifactDeletion.optional(),
        deletion_deferred: DeferredDeletion.optional(),
        deletion_waiting: WaitingDeletion.optional(),
        /** The last bad copy of it on this sled. */
        quarantined: QuarantinedFile.optional(),
      }),
    ),
    local_repos: z.array(z.object({ nexus_id: NexusId, system_version: z.string() })),
    /** The requests for this artifact and their outcomes, from the history, the newest first. */
    history: z.array(FleetEventView),
    reasons: z.array(Reason),
  })
  .meta({ id: 'ArtifactView' });
export type ArtifactView = z.infer<typeof ArtifactView>;

export const FleetStatus = z
  .object({
    verdict: answerWord(Verdict.options),
    reasons: z.array(Reason),
    reason_totals: ReasonTotals.optional(),
    nexus_id: NexusId,
    generation: Generation,
    min_sled_replication: z.number().int().min(1),
    sleds: z.object({
      in_service: z.number().int().min(0),
      answering: z.number().int().min(0),
      expunged: z.number().int().min(0),
      /** Of those in service, the ones without an identity. */
      plain: z.number().int().min(0).optional(),
    }),
    nexuses: z.object({ alive: z.number().int().min(0), silent: z.number().int().min(0) }),
    /** Each with its own reasons alone. */
    releases: z.array(ReleaseReplication.omit({ sleds: true, reason_totals: true })),
    /** Archives that this Nexus still holds, and how many of them are not yet safe on sleds. */
    local_repos: z.number().int().min(0),
    local_repos_not_safe: z.number().int().min(0),
    uploads_in_progress: z.number().int().min(0),
    requests_deferred: z.number().int().min(0),
    time_observed: Timestamp.optional(),
    /**
     * The source of generation, Nexus instances, expunged sleds and expiry. While it is unavailable they are those of
     * the last answer; without `time_read` this Nexus has never read them, and they have no meaning.
     */
    database: z
      .object({
        state: answerWord(['answers', 'unavailable']),
        time_read: Timestamp.optional(),
        age_s: z.number().int().min(0).optional(),
        time_unavailable_since: Timestamp.optional(),
        message: z.string().optional(),
      })
      .optional(),
  })
  .meta({ id: 'FleetStatus' });
export type FleetStatus = z.infer<typeof FleetStatus>;

const SetSledTransport = z
  .object({
    transport: SledTransportName,
    /** At which the sled is approved as plain, without a port; by default the one with which it registered. */
    address: ReachableIp.optional(),
  })
  .refine(({ transport, address }) => transport === 'plain' || address === undefined, {
    path: ['address'],
    message: 'belongs to plain alone',
  })
  .meta({ id: 'SetSledTransport' });

const SledTransportView = z
  .object({
    sled_id: SledId,
    transport: answerWord(SledTransportName.options),
    address: z.string().optional(),
  })
  .meta({ id: 'SledTransport' });

const SledParam = z.object({ sled_id: SledId });
const VersionParam = z.object({ system_version: z.string().max(64).regex(SYSTEM_VERSION_PATTERN) });
const TAGS = ['fleet'] as const;

export const operatorFleetApi = {
  title: 'Operator API, fleet endpoints',
  version: OPERATOR_VERSION,
  description: 'Sleds, Nexus instances, artifacts, and the state of replication.',
  routes: {
    fleetStatus: defineRoute({
      operationId: 'fleet_status',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/fleet/status',
      summary: 'One verdict, and a reason for everything that is wrong or unfinished',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: FleetStatus },
      errors: [],
    }),
    releaseReplication: defineRoute({
      operationId: 'release_replication',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/repositories/{system_version}/replication',
      summary: 'The progress of the replication of a release, sled by sled',
      tags: TAGS,
      params: VersionParam,
      status: 200,
      response: { kind: 'json', schema: ReleaseReplication },
      errors: ['NOT_FOUND'],
    }),
    sledList: defineRoute({
      operationId: 'fleet_sled_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/fleet/sleds',
      summary: 'All sleds, by id',
      tags: TAGS,
      query: PageQuery,
      status: 200,
      response: { kind: 'json', schema: resultsPage(SledView, 'SledResultsPage') },
      errors: [],
    }),
    sledView: defineRoute({
      operationId: 'fleet_sled_view',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/fleet/sleds/{sled_id}',
      summary: 'One sled',
      tags: TAGS,
      params: SledParam,
      status: 200,
      response: { kind: 'json', schema: SledView },
      errors: ['NOT_FOUND'],
    }),
    sledSetPolicy: defineRoute({
      operationId: 'sled_set_policy',
      audience: 'operator',
      role: 'operator',
      method: 'PUT',
      path: '/v1/system/fleet/sleds/{sled_id}/policy',
      summary: 'Put a sled in service, or expunge it: an expunged sled does not count',
      tags: TAGS,
      params: SledParam,
      body: { kind: 'json', schema: z.object({ policy: Policy }).meta({ id: 'SetSledPolicy' }) },
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND'],
    }),
    sledSetTransport: defineRoute({
      operationId: 'sled_set_transport',
      audience: 'operator',
      role: 'admin',
      method: 'PUT',
      path: '/v1/system/fleet/sleds/{sled_id}/transport',
      summary: 'Approve a sled to speak plain HTTP at one address, or end that; it need not have registered',
      tags: TAGS,
      params: SledParam,
      body: { kind: 'json', schema: SetSledTransport },
      status: 200,
      response: { kind: 'json', schema: SledTransportView },
      errors: ['NOT_FOUND', 'INVALID_REQUEST'],
    }),
    sledForget: defineRoute({
      operationId: 'sled_forget',
      audience: 'operator',
      role: 'operator',
      method: 'DELETE',
      path: '/v1/system/fleet/sleds/{sled_id}',
      summary: 'Forget an expunged sled; one whose agent still runs asks to register again',
      tags: TAGS,
      params: SledParam,
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND', 'SLED_IN_SERVICE', 'SLED_CERTIFICATE_VALID'],
    }),
    nexusList: defineRoute({
      operationId: 'nexus_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/fleet/nexuses',
      summary: 'All Nexus instances',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: resultsPage(NexusView, 'NexusResultsPage') },
      errors: [],
    }),
    nexusExpunge: defineRoute({
      operationId: 'nexus_expunge',
      audience: 'operator',
      role: 'operator',
      method: 'POST',
      path: '/v1/system/fleet/nexuses/{nexus_id}/expunge',
      summary:
        'Expunge a Nexus: its local repos no longer count as copies. It must not be running, unless `compromised` says that somebody else has its key',
      tags: TAGS,
      params: z.object({ nexus_id: NexusId }),
      query: z.object({
        /** Somebody else has its key: it is expunged although it runs, and although the database does not know it. */
        compromised: QueryFlag,
      }),
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND', 'NEXUS_ALIVE'],
    }),
    artifactList: defineRoute({
      operationId: 'artifact_list_fleet',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/fleet/artifacts',
      summary: 'The wanted artifacts, by hash, with the number of sleds that hold each',
      tags: TAGS,
      query: PageQuery,
      status: 200,
      response: { kind: 'json', schema: resultsPage(ArtifactSummary, 'ArtifactSummaryResultsPage') },
      errors: [],
    }),
    artifactView: defineRoute({
      operationId: 'artifact_view_fleet',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/fleet/artifacts/{sha256}',
      summary: 'One artifact: the releases that list it, the sleds that hold it, its requests',
      tags: TAGS,
      params: z.object({ sha256: RequestedHash }),
      status: 200,
      response: { kind: 'json', schema: ArtifactView },
      errors: ['NOT_FOUND'],
    }),
  },
} as const satisfies Api;
