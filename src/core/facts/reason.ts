/**
 * Why something is not as it should be: the kinds of reasons, and what is known of each.
 *
 *     rounds, stores, the database ─▶ HealthReason ─┬─▶ verdict (health.ts)
 *                                                   ├─▶ history: part of an event (event.ts)
 *                                                   └─▶ API, command line, log: renderReason() (reason-text.ts)
 *
 * KR1. A reason is data: ids, counts, times, and texts of other programs as `error` or `why`. No sentence of its own is
 *      in it, and nothing reads one.
 * KR2. A field, a code or a value of `because` that was released keeps its name and meaning: rows of the history have them.
 * KR3. {@link parseReason} returns undefined for a reason that only a newer version knows.
 */
import { z } from 'zod';
import {
  ArtifactHash,
  DatasetId,
  Generation,
  NexusId,
  SetDigest,
  SledId,
  TrustRootId,
  UploadId,
} from '../ids.ts';

export const Count = z.number().int().min(0);
/** Since 1970, in UTC. */
const TimeMs = z.number();
/** What another layer or program said, or the path of a file: of any text. */
export const Words = z.string();
export const PointFact = z.object({ generation: Generation, digest: SetDigest });

/** Of a fleet, and what a reason means for it at least; the best first. */
export const Verdict = z.enum(['ok', 'converging', 'degraded', 'failed']);
export type Verdict = z.infer<typeof Verdict>;

/** The step of an upload. */
export const UploadStage = z.enum(['receiving', 'verifying', 'recording']);
export type UploadStage = z.infer<typeof UploadStage>;

/** The state of a dataset that takes no writes. */
export const DatasetFault = z.enum(['full', 'read_only', 'missing', 'failed']);
export type DatasetFault = z.infer<typeof DatasetFault>;

/** What any reason may be about, and since when it is so. */
const About = z.object({
  sledId: SledId.optional(),
  sha256: ArtifactHash.optional(),
  systemVersion: Words.optional(),
  sinceMs: TimeMs.optional(),
});
const AboutSled = About.extend({ sledId: SledId, serial: Words });
const AboutRelease = About.extend({ systemVersion: Words });
const general = <S extends z.ZodRawShape>(fields: S) => About.extend(fields);
const ofSled = <S extends z.ZodRawShape>(fields: S) => AboutSled.extend(fields);
const ofRelease = <S extends z.ZodRawShape>(fields: S) => AboutRelease.extend(fields);

const silence = ofSled({ error: Words, errorCode: Words });
/** `remainingMs`: until the first of them is deleted. */
const waiting = ofSled({ artifacts: Count, sizeBytes: Count, remainingMs: Count });
const quarantine = ofSled({ sha256: ArtifactHash, copies: Count, why: Words });
const source = general({ source: Words, error: Words });
/** Of one or more processes; the fields name the one that expires first. */
const expiringCertificate = general({ process: Words, expiresMs: TimeMs, processes: Count });
const expiringRoot = general({ trustRootId: TrustRootId, rootVersion: Count, withinDays: Count });

export const reasonSchemas = {
  NOT_YET_LOOKED: z.discriminatedUnion('because', [
    general({ because: z.literal('just_started') }),
    general({
      because: z.literal('older_generation'),
      databaseGeneration: Generation,
      observedGeneration: Generation,
    }),
    ofRelease({ because: z.literal('release_recorded') }),
    ofRelease({ because: z.literal('archive_uploaded') }),
  ]),
  /** `error`: of the database that it waits for; without it, it has begun to read. */
  NEXUS_STARTING: general({ error: Words.optional() }),
  UPLOAD_WAITING: general({
    uploadId: UploadId,
    fileName: Words,
    stage: UploadStage,
    error: Words,
    /** The time at which it is given up; absent while it may be recorded already. */
    untilMs: TimeMs.optional(),
  }),
  DATABASE_UNAVAILABLE: z.discriminatedUnion('because', [
    /** `readAgeMs`: of what the status has from the database; absent where it has nothing. */
    general({ because: z.literal('no_answer'), error: Words, readAgeMs: Count.optional() }),
    /** A release is shown as the sleds answered then. */
    general({ because: z.literal('no_answer_for_release'), error: Words, observedMs: TimeMs }),
    general({ because: z.literal('commits_unanswered'), heartbeatAgeMs: Count }),
  ]),
  REPLICATION_ERROR: general({ because: z.enum(['round_failed', 'signal_lost']), error: Words }),
  REPLICATION_PAUSED: general({}),
  RELEASE_REPLICATING: ofRelease({
    copiesHeld: Count,
    copiesWanted: Count,
    sleds: Count,
    sledsHoldingAll: Count,
    /** Of these, on each of their datasets. */
    sledsHoldingAllFully: Count,
  }),
  RELEASE_BLOCKED: ofRelease({
    /** The first of them. */
    sha256: ArtifactHash,
    artifacts: Count,
    holder: z.enum(['this_nexus', 'another_nexus', 'silent_nexus', 'unreachable_sleds']),
  }),
  RELEASE_FAILED: ofRelease({ sha256: ArtifactHash, artifacts: Count }),
  /**
   * `because`: what is wrong with the bundle at these sleds. `no_bundle`: the database has none. `signature_scheme`: the sled refuses it, since its
   * policy does not accept the scheme of the signatures. `unlisted`: it is admitted, and does not
   * list these artifacts. `error`: of one of the sleds.
   */
  RELEASE_WITHHELD: ofRelease({
    because: z.enum(['missing', 'refused', 'signature_scheme', 'unexempted', 'unlisted', 'no_bundle']),
    /** The first of them. */
    sha256: ArtifactHash,
    artifacts: Count,
    /** The first of them. */
    serials: z.array(Words).readonly(),
    sleds: Count,
    error: Words.optional(),
  }),
  SLED_STORES_UNSIGNED: ofSled({}),
  TOO_FEW_SLEDS: general({ sledsInService: Count, minSledReplication: Count }),
  SLED_UNREACHABLE: silence,
  SLED_BAD_ANSWER: silence,
  SLED_OTHER_IDENTITY: silence,
  SLED_REFUSES: silence,
  /** `error`: with what it refused the config, where it did. */
  SLED_AHEAD: ofSled({ claim: PointFact, error: Words.optional() }),
  /** It takes the config of the database only after a person has accepted the point that it holds. */
  SLED_NEEDS_STATEMENT: ofSled({ claim: PointFact, error: Words.optional() }),
  SLED_DIVERGED: ofSled({
    claim: PointFact,
    database: PointFact,
    /** It compares points, so it takes what lists no less. */
    takesConfigs: z.boolean(),
  }),
  SLED_KEEPS_POINTS: ofSled({ points: z.array(PointFact).readonly() }),
  SLED_BYTES_DIFFER: ofSled({ sha256: ArtifactHash }),
  SLED_WRITES_PAUSED: ofSled({ error: Words }),
  DATASET_FAULT: ofSled({
    datasetId: DatasetId.optional(),
    path: Words,
    state: DatasetFault,
    error: Words.optional(),
  }),
  /** `error`: of the transfer of `sha256`, one of them; `sources`: the serials of sleds that hold it, and all failed. */
  TRANSFER_FAILED: ofSled({
    sha256: ArtifactHash,
    transfers: Count,
    error: Words,
    sources: z.array(Words).optional(),
  }),
  DELETION_DEFERRED: ofSled({ sha256: ArtifactHash, artifacts: Count, why: Words }),
  DELETION_WAITING: waiting,
  DELETION_LIMITED: waiting,
  COPY_QUARANTINED: quarantine,
  COPY_REPLACED: quarantine,
  /** Its certificate is of this fleet, and the database does not know it. */
  SLED_PENDING: general({ sledId: SledId, serial: Words, address: Words }),
  NEXUS_SILENT: general({ nexusId: NexusId, heartbeatAgeMs: Count, localRepos: Count }),
  NEXUS_EXPUNGED: general({}),
  ARCHIVE_RECORDED_AGAIN: ofRelease({ uploadId: UploadId }),
  /** An archive that enough sleds have replicated, and that this Nexus could not drop. `error`: of a drop that failed. */
  ARCHIVE_KEPT: general({
    uploadId: UploadId,
    because: z.enum([
      'sleds_unproven',
      'generation_changed',
      'set_changed',
      'round_lost',
      'row_lost',
      'drop_failed',
    ]),
    error: Words.optional(),
  }),
  ARCHIVE_NOT_SERVED: z.discriminatedUnion('because', [
    general({
      because: z.enum(['record_refused', 'record_delayed']),
      uploadId: UploadId,
      path: Words,
      error: Words,
    }),
    general({
      because: z.enum(['sidecar_unreadable', 'sidecar_gone', 'parts_gone']),
      uploadId: UploadId,
      path: Words,
    }),
  ]),
  SOURCE_REFUSED: source,
  SOURCE_FAILED: source,
  NO_TRUST_ROOT: general({}),
  METADATA_EXPIRING: ofRelease({ role: Words, withinDays: Count }),
  METADATA_EXPIRED: ofRelease({ role: Words }),
  ROOT_EXPIRING: expiringRoot,
  ROOT_EXPIRES_SOON: expiringRoot,
  ROOT_EXPIRED: general({ trustRootId: TrustRootId, rootVersion: Count }),
  DATABASE_MAY_LOSE_COMMITS: general({
    because: z.enum(['asynchronous_commit', 'no_standby_named', 'commit_not_on_standby', 'too_few_standbys']),
    synchronousCommit: Words,
    standbys: Count,
    /** In `database.url`. */
    hosts: Count,
    /** For how many standbys a commit waits, and for how many it would have to. */
    standbysWaitedFor: Count,
    standbysNeeded: Count,
  }),
  DATABASE_PLAIN_TEXT: general({ hosts: z.array(Words).readonly() }),
  CERTIFICATE_EXPIRING: expiringCertificate,
  CERTIFICATE_EXPIRES_SOON: expiringCertificate,
  CERTIFICATE_EXPIRED: expiringCertificate,
  /** `readAgeMs`: of the tokens that count now; `maxAgeMs`: the age from which on none of them counts. */
  OPERATOR_TOKENS_STALE: general({ error: Words, readAgeMs: Count, maxAgeMs: Count }),
  AUDIT_LOG_CONTRADICTED: general({ sleds: Count, exampleSled: Words }),
  SLEDS_PLAIN: general({ sleds: Count, exampleSerial: Words }),
  PLAIN_LISTEN: general({ address: Words }),
  DEBUG_LISTEN: general({ address: Words }),
} as const satisfies Record<string, z.ZodType<object>>;

export type ReasonCode = keyof typeof reasonSchemas;

/** One of a code, or of any. */
export type HealthReason<C extends ReasonCode = ReasonCode> = {
  readonly [K in C]: { readonly code: K } & Readonly<z.infer<(typeof reasonSchemas)[K]>>;
}[C];

const isReasonCode = (code: unknown): code is ReasonCode =>
  typeof code === 'string' && Object.hasOwn(reasonSchemas, code);

/** KR3: undefined for what this version does not know. */
export const parseReason = (value: unknown): HealthReason | undefined => {
  const code = typeof value === 'object' && value !== null && 'code' in value ? value.code : undefined;
  if (!isReasonCode(code)) return undefined;
  const parsed = reasonSchemas[code].safeParse(value);
  return parsed.success ? ({ code, ...parsed.data } as HealthReason) : undefined;
};
