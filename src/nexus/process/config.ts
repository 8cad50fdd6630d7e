/**
 * Configuration of Nexus, in two typed steps:
 *
 *     nexus.toml ─▶ NexusConfigFile (as written: snake_case, relative paths, seconds) ─▶ NexusConfig (as used)
 */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { isEveryAddress } from '../../api/socket-address.ts';
import { ANY_INFLATE_RATIO, DEFAULT_ENTRY_BYTES } from '../../archive/limits.ts';
import type { TransferLimits } from '../../core/plan/input.ts';
import { SMALL_ARTIFACT_BYTES } from '../../core/plan/quota.ts';
import type { RetentionPolicy } from '../../core/retention.ts';
import { parseAddress } from '../../http/listen.ts';
import { type ProgressDeadline, progressWithin } from '../../http/progress.ts';
import { parseProxy } from '../../http/proxy-address.ts';
import { AllowedHosts } from '../../http/request-guard.ts';
import type { IdentityFiles } from '../../identity/credentials.ts';
import { IdentitySection, identityFiles, identityRequired } from '../../identity/section.ts';
import type { SocketAddress } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../../lib/log.ts';
import { readTomlConfig } from '../../lib/toml-config.ts';
import { repositoryUrls } from '../../source/http-source.ts';
import { type SignaturePolicy, signaturePolicy } from '../../tuf/signature-policy.ts';
import type { HistoryLimits } from '../background/fleet-history.ts';
import { parseDatabaseUrl } from '../datastore/database-url.ts';
import type { SourceConfig } from '../releases/source/source-config.ts';

const GIB = 1024 ** 3;
const count = (least: number, most: number) => z.int().min(least).max(most);
const seconds = () => count(1, 86_400);

const ReplicationSection = z.strictObject({
  /**
   * A fleet at rest costs one small request to each sled a minute, and a sled that returned is noticed within that
   * minute. Changes by Nexus itself do not wait for the period.
   */
  period_secs: seconds().default(60),
  /** How many sleds must hold all of a release before its archive is dropped (S7). */
  min_sled_replication: count(1, 1000).default(3),
  /** Puts in flight at once: all of them read the staging directory's disk and share Nexus's uplink. */
  put_concurrency: count(1, 256).default(2),
  /** Copy requests at once that no source has begun to serve; the bytes go from sled to sled. */
  copy_concurrency: count(1, 1024).default(32),
  /** Puts and copies in flight at once, in all. */
  requests_per_activation: count(1, 100_000).default(2048),
  /**
   * Transfers that one sled receives at a time, and that one sled serves to others. Small and overdue ones take a share of a
   * place (QU2, QU3).
   */
  transfers_to_sled: count(1, 64).default(2),
  copies_from_source: count(1, 64).default(2),
  /** Turns timers off; signals and manual activations still work. */
  disable: z.boolean().default(false),
});

/** The target release and the one before it, for a return; and the last upload, which may become the next target. */
const TARGETS_ALWAYS_KEPT = 2;
const UPLOADS_ALWAYS_KEPT = 1;

const PrunerSection = z.strictObject({
  period_secs: seconds().default(300),
  /**
   * Kept beyond the two most recent target releases, and beyond the one most recent upload. Retention deletes releases,
   * so it has no defaults: without these two nothing is deleted (B19).
   */
  nkeep_extra_target_releases: count(0, 100).optional(),
  nkeep_extra_newly_uploaded: count(0, 100).optional(),
  /** Turns the timer off; a manual activation still deletes. */
  disable: z.boolean().default(false),
});

const DebugSection = z.strictObject({
  /** Serves the state of background tasks, to read alone, to whatever reaches it: the debugger of the original has no token. */
  plain_listen: z.string().optional(),
});

const HistorySection = z.strictObject({
  /** Long enough to investigate a problem that is noticed a month later. */
  retention_days: count(1, 3650).default(30),
  /**
   * A release to 32 sleds is about 4,000 events: a request and an outcome for each of its 64 artifacts on each sled.
   * This holds more of them than a month has days, in about 100 MB of database.
   */
  max_events: count(1000, 10_000_000).default(200_000),
});

const TrustSection = z.strictObject({
  /** Whether RSA signatures of the scheme PKCS#1 v1.5 count, which the specification of TUF does not have. Sleds have their own. */
  accept_rsa_pkcs1v15: z.boolean().default(false),
});

const LimitsSection = z.strictObject({
  /** As the published API has it. */
  repository_bytes: count(1, 2 ** 42).default(DEFAULT_ENTRY_BYTES.repositoryBytes),
  artifact_bytes: count(1, 2 ** 42).default(DEFAULT_ENTRY_BYTES.artifactBytes),
  /** Of entries above 16 MiB. A lower one protects from archives of which a release has none. */
  inflate_ratio: count(1, ANY_INFLATE_RATIO).default(ANY_INFLATE_RATIO),
  /** 64 KiB have to move in this time: with 120, links of 560 bytes a second are used. */
  stall_s: seconds().default(10),
  /** Each needs space for an archive in the staging directory, and a thread that verifies it. */
  uploads_at_once: count(1, 64).default(4),
});

const SourceSection = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,47}$/, 'must be a short name such as vendor'),
  /** Below it are `metadata/` and `targets/`. */
  url: z.url({ protocol: /^https?$/ }),
  /** If they are not below `url`. */
  metadata_url: z.url({ protocol: /^https?$/ }).optional(),
  targets_url: z.url({ protocol: /^https?$/ }).optional(),
  period_secs: count(1, 30 * 86_400).default(3600),
  proxy: z
    .string()
    .refine(text => parseProxy(text) !== undefined, 'must be host:port, or http://user:password@host:port')
    .optional(),
  ca_file: z.string().min(1).optional(),
  max_bytes: count(1, 2 ** 42).default(4 * GIB),
  max_bytes_per_sec: count(1024, 2 ** 42).optional(),
  /** As `limits.stall_s`. */
  stall_s: seconds().default(10),
});

const MAX_SOURCES = 16;

const NexusIdentitySection = IdentitySection.extend({
  /** From `identity init`. With it this Nexus renews the certificates of sleds, and its own. */
  authority_directory: z.string().min(1).optional(),
  /** PEM, the public key of the fleet's admins: statements that it has not signed are not recorded. */
  admin_key_file: z.string().min(1).optional(),
  /** Internal addresses of other Nexuses, tried in turn: without the authority's key this one joins and renews at them. */
  nexus: z.array(z.string()).max(64).optional(),
});

export const NexusConfigFile = z.strictObject({
  /** Holds the archives that too few sleds have, and this Nexus's identity. */
  staging_directory: z.string().min(1),
  operator_listen: z.string().default('127.0.0.1:12220'),
  internal_listen: z.string().default('127.0.0.1:12221'),
  /** The operator's bearer token; made at the first start. By default beside the configuration file. */
  token_file: z.string().min(1).default('nexus-token'),
  /** Written once Nexus serves: its bound addresses, for the parent process. */
  ready_file: z.string().min(1).optional(),
  /**
   * Where sleds without an identity register that an admin approved, as those of the original and of a fleet that is being
   * upgraded. Nothing else is served there.
   */
  plain_listen: z.string().optional(),
  /** Of an earlier version; it has no effect. */
  insecure_listen: z.boolean().optional(),
  /** Connections between processes are TLS, both ends identified by certificates of one authority. Required of a Nexus. */
  identity: NexusIdentitySection.optional(),
  /** How operators connect: `plain` on loopback alone. */
  operator_transport: z.enum(['tls', 'plain']).default('tls'),
  /** Who may read `/metrics`: `public` is whoever reaches the address of operators, without a token. */
  metrics_access: z.enum(['operator', 'public']).default('operator'),
  /** Further names and addresses under which clients reach this Nexus, behind a proxy for example: no others are served. */
  allowed_hosts: AllowedHosts,
  log_level: z.enum(LOG_LEVELS).default('info'),
  database: z.strictObject({
    /** `postgresql://user:password@host:port,host:port/database?options`: datastore/database-url.ts. */
    url: z.string().superRefine((url, context) => {
      const parsed = parseDatabaseUrl(url);
      if ('fault' in parsed) context.addIssue({ code: 'custom', message: parsed.fault });
    }),
  }),
  /** Upstream repositories that this Nexus follows. */
  source: z
    .array(SourceSection)
    .max(MAX_SOURCES)
    .refine(all => new Set(all.map(({ name }) => name)).size === all.length, 'two sources have one name')
    .default([]),
  trust: TrustSection.prefault({}),
  limits: LimitsSection.prefault({}),
  tuf_artifact_replication: ReplicationSection.prefault({}),
  tuf_repo_pruner: PrunerSection.prefault({}),
  debug: DebugSection.prefault({}),
  fleet_history: HistorySection.prefault({}),
});
export type NexusConfigFile = z.input<typeof NexusConfigFile>;

type ReplicationConfig = {
  readonly periodMs: number;
  readonly disable: boolean;
  readonly minSledReplication: number;
  readonly copyConcurrency: number;
  readonly limits: TransferLimits;
};

type PrunerConfig = {
  readonly periodMs: number;
  readonly disable: boolean;
  /** Undefined if retention is off. */
  readonly policy: RetentionPolicy | undefined;
};

export type NexusConfig = {
  readonly stagingDirectory: string;
  readonly operatorListen: SocketAddress;
  readonly internalListen: SocketAddress;
  readonly tokenFile: string;
  readonly readyFile: string | undefined;
  /** For registrations of sleds that are approved to speak plain HTTP. */
  readonly plainListen: SocketAddress | undefined;
  /** For readers of the state of background tasks without a token. */
  readonly debugListen: SocketAddress | undefined;
  /** Keys that have no effect any more. */
  readonly leftovers: readonly string[];
  /** Undefined for a program that serves nothing. */
  readonly identity: IdentityFiles | undefined;
  readonly authorityDirectory: string | undefined;
  readonly adminKeyFile: string | undefined;
  /** Other Nexuses, at which this one renews its certificate. */
  readonly otherNexuses: readonly SocketAddress[];
  readonly operatorTransport: 'tls' | 'plain';
  readonly metricsAccess: 'operator' | 'public';
  readonly allowedHosts: readonly string[];
  readonly logLevel: LogLevel;
  readonly databaseUrl: string;
  /** Under which this Nexus judges every release and every root. */
  readonly signatures: SignaturePolicy;
  readonly limits: {
    readonly repositoryBytes: number;
    readonly artifactBytes: number;
    readonly inflateRatio: number;
    readonly uploadsAtOnce: number;
  };
  /** Of transfers of operators and sleds. */
  readonly progress: ProgressDeadline;
  readonly sources: readonly SourceConfig[];
  readonly replication: ReplicationConfig;
  readonly pruner: PrunerConfig;
  readonly history: HistoryLimits;
};

/** Also without an identity, for a command that serves nothing. @throws `CONFIG_INVALID` naming the file and each faulty key */
export const readNexusSettings = async (path: string): Promise<NexusConfig> =>
  nexusConfig(await readTomlConfig(path, NexusConfigFile), path);

export type IdentifiedConfig = NexusConfig & { readonly identity: IdentityFiles };

/** @throws as {@link readNexusSettings}, and `IDENTITY_REQUIRED` */
export const readNexusConfig = async (path: string): Promise<IdentifiedConfig> => {
  const { identity, ...config } = await readNexusSettings(path);
  if (identity === undefined) throw identityRequired(path, 'nexus');
  return { ...config, identity };
};

/** Relative paths are relative to the file. */
const nexusConfig = (file: z.output<typeof NexusConfigFile>, path: string): NexusConfig => {
  const absolute = (relative: string) => resolve(dirname(path), relative);
  const {
    limits,
    tuf_artifact_replication: replication,
    tuf_repo_pruner: pruner,
    fleet_history: history,
  } = file;
  return {
    stagingDirectory: absolute(file.staging_directory),
    operatorListen: parseAddress(file.operator_listen, `${path}: operator_listen`),
    internalListen: parseAddress(file.internal_listen, `${path}: internal_listen`),
    tokenFile: absolute(file.token_file),
    readyFile: file.ready_file === undefined ? undefined : absolute(file.ready_file),
    plainListen:
      file.plain_listen === undefined ? undefined : parseAddress(file.plain_listen, `${path}: plain_listen`),
    debugListen: debugListen(file, path),
    leftovers: file.insecure_listen === undefined ? [] : ['insecure_listen'],
    identity: identityFiles(file.identity, absolute, path),
    authorityDirectory: file.identity?.authority_directory && absolute(file.identity.authority_directory),
    adminKeyFile: file.identity?.admin_key_file && absolute(file.identity.admin_key_file),
    otherNexuses: (file.identity?.nexus ?? []).map((text, at) =>
      parseAddress(text, `${path}: identity.nexus.${at}`),
    ),
    operatorTransport: file.operator_transport,
    metricsAccess: file.metrics_access,
    allowedHosts: file.allowed_hosts ?? [],
    logLevel: file.log_level,
    databaseUrl: file.database.url,
    signatures: signaturePolicy(file.trust.accept_rsa_pkcs1v15),
    limits: {
      repositoryBytes: limits.repository_bytes,
      artifactBytes: limits.artifact_bytes,
      inflateRatio: limits.inflate_ratio,
      uploadsAtOnce: limits.uploads_at_once,
    },
    progress: progressWithin(limits.stall_s * 1000),
    sources: file.source.map(source => sourceConfig(source, absolute)),
    replication: {
      periodMs: replication.period_secs * 1000,
      disable: replication.disable,
      minSledReplication: replication.min_sled_replication,
      copyConcurrency: replication.copy_concurrency,
      limits: {
        maxTransfers: replication.requests_per_activation,
        maxTransfersToSled: replication.transfers_to_sled,
        maxCopiesFromSource: replication.copies_from_source,
        maxPuts: replication.put_concurrency,
        smallBytes: SMALL_ARTIFACT_BYTES,
      },
    },
    pruner: {
      periodMs: pruner.period_secs * 1000,
      disable: pruner.disable,
      policy: retentionPolicy(pruner, path),
    },
    history: { retentionMs: history.retention_days * 86_400_000, maxEvents: history.max_events },
  };
};

/** @throws `CONFIG_INVALID` when only one of the two settings is there */
const retentionPolicy = (
  {
    nkeep_extra_target_releases: targets,
    nkeep_extra_newly_uploaded: uploads,
  }: z.output<typeof PrunerSection>,
  path: string,
): RetentionPolicy | undefined => {
  if (targets === undefined && uploads === undefined) return undefined;
  if (targets === undefined || uploads === undefined) {
    const missing = targets === undefined ? 'nkeep_extra_target_releases' : 'nkeep_extra_newly_uploaded';
    throw new DepotError(
      'CONFIG_INVALID',
      `${path}: tuf_repo_pruner.${missing} is missing: retention needs both nkeep settings, and is off without them`,
    );
  }
  return { keepTargetReleases: TARGETS_ALWAYS_KEPT + targets, keepUploads: UPLOADS_ALWAYS_KEPT + uploads };
};

const sourceConfig = (
  source: z.output<typeof SourceSection>,
  absolute: (relative: string) => string,
): SourceConfig => {
  const urls = repositoryUrls(source.url);
  return {
    name: source.name,
    metadataUrl: source.metadata_url ?? urls.metadataUrl,
    targetsUrl: source.targets_url ?? urls.targetsUrl,
    periodMs: source.period_secs * 1000,
    proxy: source.proxy,
    caFile: source.ca_file === undefined ? undefined : absolute(source.ca_file),
    maxBytes: source.max_bytes,
    maxBytesPerSecond: source.max_bytes_per_sec,
    progress: progressWithin(source.stall_s * 1000),
  };
};

/** By name: a later network interface of the machine does not serve it too. */
const debugListen = (
  { debug: { plain_listen: text } }: z.output<typeof NexusConfigFile>,
  path: string,
): SocketAddress | undefined => {
  if (text === undefined) return undefined;
  const address = parseAddress(text, `${path}: debug.plain_listen`);
  if (!isEveryAddress(address.host)) return address;
  throw new DepotError(
    'CONFIG_INVALID',
    `${path}: debug.plain_listen: ${address.host} is every address of this machine; name the one of the readers, 127.0.0.1 for example`,
  );
};
