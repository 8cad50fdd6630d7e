/**
 * The configuration of a sled agent, in two steps: the file as written ({@link SledAgentFile}), then the values that the
 * agent works with ({@link SledAgentConfig}), which has every value that the agent needs.
 */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { REPO_DEPOT_PORT } from '../api/depot-api.ts';
import { MAX_DATASET_PATH_CHARS, SerialNumber } from '../api/internal-api.ts';
import { isEveryAddress, ReachableIp } from '../api/socket-address.ts';
import { SledId } from '../core/ids.ts';
import { MAX_ADMIN_KEYS, MAX_ROOT_CHAINS } from '../core/release-trust.ts';
import { parseAddress } from '../http/listen.ts';
import { AllowedHosts } from '../http/request-guard.ts';
import { type IdentityFiles, readCredentials } from '../identity/credentials.ts';
import { derivedSledId, GENERIC_PART } from '../identity/derived-sled-id.ts';
import { IdentitySection, identityFiles, identityRequired } from '../identity/section.ts';
import { type Endpoint, endpoint, type SocketAddress } from '../lib/endpoint.ts';
import { DepotError } from '../lib/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../lib/log.ts';
import { readTomlConfig } from '../lib/toml-config.ts';
import { signaturePolicy } from '../tuf/signature-policy.ts';
import {
  DEFAULT_MAX_ARTIFACT_BYTES,
  DEFAULT_MIN_FREE_BYTES,
  DEFAULT_QUOTA_BYTES,
  DEFAULT_SCRUB_BYTES_PER_SECOND,
} from './store/dataset/space.ts';
import type { StoreSettings } from './store/store.ts';
import type { TrustConfig } from './trust/open-trust.ts';

/** The published port of a sled agent's own API. */
const SLED_AGENT_PORT = 12345;

const Bytes = z.int().min(1);
const Count = z.int().min(1).max(1_024);
const Seconds = z.number().min(0.05).max(86_400);
const DAY_S = 86_400;

/** Enough for a person to notice a mistake and upload the release again, or for a recovery to begin. */
const DEFAULT_DELETION_WAIT_S = 600;
/** A deletion of one of two releases of one length is not held up. */
const DEFAULT_DELETION_PERCENT = 50;
/** A weekend and the days around it. */
const DEFAULT_DELETION_LIMIT_S = 7 * DAY_S;

export const SledAgentFile = z.strictObject({
  /** The permanent identity of this sled. By default derived from `part` and `serial`, so that a wiped sled stays the same sled. */
  sled_id: SledId.optional(),
  serial: SerialNumber,
  part: z.string().min(1).max(256).default(GENERIC_PART),
  revision: z.int().min(0).default(0),
  /** The artifact API, for Nexus. */
  listen: z.string().default(`127.0.0.1:${SLED_AGENT_PORT}`),
  /** The Repo Depot, for other sleds. */
  depot_listen: z.string().default(`127.0.0.1:${REPO_DEPOT_PORT}`),
  /** The Repo Depot without TLS, for readers that verify what they read by its hash; by default nowhere. */
  depot_plain_listen: z.string().optional(),
  /** The address at which others reach both servers; needed if they listen on every address. */
  advertise_host: ReachableIp.optional(),
  /**
   * `plain`: without an identity, plain HTTP for everybody who reaches the addresses. For a fleet that is being upgraded, and for
   * control planes that speak nothing else.
   */
  transport: z.enum(['tls', 'plain']).default('tls'),
  /** Of an earlier version; it has no effect. */
  insecure_listen: z.boolean().optional(),
  /** Both servers are TLS, and serve only callers with certificates of the same authority. */
  identity: IdentitySection.optional(),
  /** What this sled pins beside what it pinned at its join (T3). */
  trust: z
    .strictObject({
      /** root.json files of the signers of releases. */
      root_files: z.array(z.string().min(1)).max(MAX_ROOT_CHAINS).optional(),
      /** PEM: public keys of administrators, by which statements are verified. */
      admin_key_files: z.array(z.string().min(1)).max(MAX_ADMIN_KEYS).optional(),
      /** Whether only what verified metadata lists is stored and served; by default once an admin key, or a root from a join, a file or a statement, is pinned. */
      require_signed: z.boolean().optional(),
      /** Whether RSA signatures of the scheme PKCS#1 v1.5 count, which the specification of TUF does not have. */
      accept_rsa_pkcs1v15: z.boolean().default(false),
    })
    .prefault({}),
  /** Further names and addresses under which clients reach this sled: no others but these and advertise_host are served. */
  allowed_hosts: AllowedHosts,
  /** Internal addresses of Nexus instances, tried in turn. */
  nexus: z.array(z.string()).min(1).max(64),
  /** One directory per disk; each has to exist. */
  datasets: z.array(z.string().min(1).max(MAX_DATASET_PATH_CHARS)).min(1).max(64),
  log_level: z.enum(LOG_LEVELS).default('info'),
  /** Its first line is the release that this machine runs; Nexus counts the sled by it. */
  running_version_file: z.string().min(1).optional(),
  /** The bound addresses are written here once both servers listen, for the parent process. */
  ready_file: z.string().min(1).optional(),
  limits: z
    .strictObject({
      /** At once; more are answered 429. */
      puts: Count.default(16),
      copies: Count.default(16),
      depot_reads: Count.default(32),
      artifact_bytes: Bytes.default(DEFAULT_MAX_ARTIFACT_BYTES),
      /** Of one dataset. */
      quota_bytes: Bytes.default(DEFAULT_QUOTA_BYTES),
      min_free_bytes: z.int().min(0).default(DEFAULT_MIN_FREE_BYTES),
      /** The share of the most bytes held within a day that may be deleted in it (T4); 100: all. */
      deletion_percent: z.int().min(0).max(100).default(DEFAULT_DELETION_PERCENT),
      /** The rate of the scrub, for all datasets together. */
      scrub_bytes_per_s: Bytes.default(DEFAULT_SCRUB_BYTES_PER_SECOND),
    })
    .prefault({}),
  intervals: z
    .strictObject({
      /** How often a sled registers that no Nexus lists: the database may have been restored. A listed one: each tenth time. */
      registration_s: Seconds.default(60),
      /** How often datasets are examined, and leftovers of a crash removed (B10). */
      reconcile_s: Seconds.default(300),
      /** How long a body may make (almost) no progress (B13). */
      stall_s: Seconds.default(10),
      /** How long a deletion waits, so that a config can take it back (T4); 0: it does not. */
      deletion_wait_s: z.number().min(0).max(DAY_S).default(DEFAULT_DELETION_WAIT_S),
      /** How long one waits that is beyond `deletion_percent`. */
      deletion_limit_s: z
        .number()
        .min(0)
        .max(90 * DAY_S)
        .default(DEFAULT_DELETION_LIMIT_S),
      /** The period in which every stored file is hashed again (G5). */
      scrub_s: z
        .number()
        .min(0.05)
        .max(90 * DAY_S)
        .default(DAY_S),
    })
    .prefault({}),
});

export type SledAgentConfig = {
  readonly sledId: SledId;
  readonly baseboard: { readonly serial: string; readonly part: string; readonly revision: number };
  readonly listen: SocketAddress;
  readonly depotListen: SocketAddress;
  readonly plainDepotListen: SocketAddress | undefined;
  /** Absent: the one listened on. */
  readonly advertiseHost: string | undefined;
  /** Undefined: it speaks plain HTTP. */
  readonly identity: IdentityFiles | undefined;
  readonly trust: TrustConfig;
  /** Keys that have no effect any more. */
  readonly leftovers: readonly string[];
  readonly allowedHosts: readonly string[];
  /** Base URLs. */
  readonly nexuses: readonly Endpoint[];
  readonly store: StoreSettings;
  readonly limits: { readonly puts: number; readonly copies: number; readonly depotReads: number };
  readonly registrationPeriodMs: number;
  readonly reconcilePeriodMs: number;
  readonly stallTimeoutMs: number;
  readonly logLevel: LogLevel;
  readonly runningVersionFile: string | undefined;
  readonly readyFile: string | undefined;
};

/** Relative paths are relative to the file. @throws `CONFIG_INVALID` naming the file and the key */
export const readSledAgentConfig = async (path: string): Promise<SledAgentConfig> => {
  const file = await readTomlConfig(path, SledAgentFile);
  const config = resolveConfig(file, path);
  if (config.identity === undefined) return config;
  const sledId = SledId.parse((await readCredentials(config.identity, 'sled')).identity.id);
  if (file.sled_id === undefined || file.sled_id === sledId) return { ...config, sledId };
  throw new DepotError(
    'CONFIG_INVALID',
    `${path}: sled_id is ${file.sled_id}, and the certificate names the sled ${sledId}; leave sled_id out`,
  );
};

/** What a machine needs to join, before it has a certificate. @throws as {@link readSledAgentConfig} */
export const readJoiningConfig = async (
  path: string,
): Promise<SledAgentConfig & { readonly identity: IdentityFiles }> => {
  const file = await readTomlConfig(path, SledAgentFile);
  const { identity, ...config } = resolveConfig(file, path);
  if (identity === undefined)
    throw new DepotError(
      'CONFIG_INVALID',
      `${path}: transport = "plain" is of a sled without an identity; replace it by a section [identity], whose three files the join writes`,
    );
  if (file.sled_id !== undefined)
    throw new DepotError(
      'CONFIG_INVALID',
      `${path}: sled_id is ${file.sled_id}, and Nexus decides as which sled a machine joins; leave sled_id out`,
    );
  return { ...config, identity };
};

export const resolveConfig = (file: z.output<typeof SledAgentFile>, path: string): SledAgentConfig => {
  const { serial, part, revision, limits, intervals } = file;
  const absolute = (relative: string): string => resolve(dirname(path), relative);
  const address = (key: string, text: string): SocketAddress => parseAddress(text, `${path}: ${key}`);
  requireTransport(file, path);
  const scheme = file.transport === 'plain' ? 'http' : 'https';
  const [listen, depotListen] = [address('listen', file.listen), address('depot_listen', file.depot_listen)];
  requireReachable(path, file.advertise_host, listen, depotListen);
  const directories = file.datasets.map(absolute);
  const twice = directories.find((directory, at) => directories.indexOf(directory) !== at);
  if (twice !== undefined)
    throw new DepotError(
      'CONFIG_INVALID',
      `${path}: datasets: ${twice} is listed twice, and two copies on one disk are one copy`,
    );
  return {
    sledId: file.sled_id ?? derivedSledId(part, serial),
    baseboard: { serial, part, revision },
    listen,
    depotListen,
    plainDepotListen: plainDepotListen(file, path),
    advertiseHost: file.advertise_host,
    leftovers: file.insecure_listen === undefined ? [] : ['insecure_listen'],
    identity: identityFiles(file.identity, absolute, path),
    trust: trustOf(file, absolute, path),
    nexuses: file.nexus.map((text, at) => endpoint(scheme, address(`nexus.${at}`, text), { kind: 'nexus' })),
    allowedHosts: [
      ...(file.advertise_host === undefined ? [] : [file.advertise_host]),
      ...(file.allowed_hosts ?? []),
    ],
    store: {
      directories,
      quotaBytes: limits.quota_bytes,
      minFreeBytes: limits.min_free_bytes,
      maxArtifactBytes: limits.artifact_bytes,
      deletion: {
        waitMs: intervals.deletion_wait_s * 1_000,
        limitPercent: limits.deletion_percent,
        limitWaitMs: intervals.deletion_limit_s * 1_000,
      },
      scrub: { periodMs: intervals.scrub_s * 1_000, bytesPerSecond: limits.scrub_bytes_per_s },
    },
    limits: { puts: limits.puts, copies: limits.copies, depotReads: limits.depot_reads },
    registrationPeriodMs: intervals.registration_s * 1_000,
    reconcilePeriodMs: intervals.reconcile_s * 1_000,
    stallTimeoutMs: intervals.stall_s * 1_000,
    logLevel: file.log_level,
    runningVersionFile:
      file.running_version_file === undefined ? undefined : absolute(file.running_version_file),
    readyFile: file.ready_file === undefined ? undefined : absolute(file.ready_file),
  };
};

const trustOf = (
  { trust, identity }: z.output<typeof SledAgentFile>,
  absolute: (path: string) => string,
  path: string,
): TrustConfig => {
  const { root_files = [], admin_key_files = [], require_signed, accept_rsa_pkcs1v15 } = trust;
  if (
    identity === undefined &&
    (root_files.length > 0 || admin_key_files.length > 0 || require_signed === true || accept_rsa_pkcs1v15)
  )
    throw new DepotError(
      'CONFIG_INVALID',
      `${path}: trust: a sled without an [identity] pins nothing, since trust.json lies beside its certificate; let it join first`,
    );
  return {
    rootFiles: root_files.map(absolute),
    adminKeyFiles: admin_key_files.map(absolute),
    requireSigned: require_signed,
    signatures: signaturePolicy(accept_rsa_pkcs1v15),
  };
};

/** By name: a later network interface of the machine does not serve it too. */
const plainDepotListen = (
  { depot_plain_listen: text }: z.output<typeof SledAgentFile>,
  path: string,
): SocketAddress | undefined => {
  if (text === undefined) return undefined;
  const address = parseAddress(text, `${path}: depot_plain_listen`);
  if (!isEveryAddress(address.host)) return address;
  throw new DepotError(
    'CONFIG_INVALID',
    `${path}: depot_plain_listen: ${address.host} is every address of this machine; name the one of the readers`,
  );
};

/** A sled without an identity runs only where its configuration says so, and that says nothing of one with an identity. */
const requireTransport = ({ transport, identity }: z.output<typeof SledAgentFile>, path: string): void => {
  if (transport === 'tls' && identity === undefined) throw identityRequired(path, 'sled');
  if (transport === 'plain' && identity !== undefined)
    throw new DepotError(
      'CONFIG_INVALID',
      `${path}: transport = "plain" belongs to a sled without an identity, and the file has a section [identity]; remove one of them`,
    );
};

/** A registration has one host for both servers, so it has to lead to both. */
const requireReachable = (
  path: string,
  advertised: string | undefined,
  listen: SocketAddress,
  depotListen: SocketAddress,
): void => {
  if (advertised !== undefined) return;
  if (listen.host === depotListen.host && !isEveryAddress(listen.host)) return;
  throw new DepotError(
    'CONFIG_INVALID',
    `${path}: advertise_host: needed, since listen (${listen.host}) and depot_listen (${depotListen.host}) do not name one host that others can reach`,
  );
};
