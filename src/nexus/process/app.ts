/**
 * A Nexus: two servers over the services of services.ts, with `plain_listen` a third one, for sleds without an identity, and
 * with `debug.plain_listen` one to read background tasks without a token.
 *
 *     operators ─▶ operator API ─┐                    ┌─▶ database
 *                                ├─▶ handlers ─▶ services ─▶ sleds
 *     sleds ────▶ internal API ──┘                    └─▶ staging directory
 *
 * AP1. The servers listen first: a port in use, or a directory in use, is detected before the wait for the database, and
 *      requests in the meantime are answered with the reason of the wait.
 * AP2. It ends in the reverse order: servers (running requests may finish), uploads, tasks, database, and at last
 *      the lock of the staging directory.
 */
import { randomUUID } from 'node:crypto';
import { certificateApi } from '../../api/certificate-api.ts';
import { debugApi, plainDebugApi } from '../../api/debug-api.ts';
import { internalApi } from '../../api/internal-api.ts';
import { joinApi } from '../../api/join-api.ts';
import { operatorAccessApi } from '../../api/operator-access-api.ts';
import { operatorAuditApi } from '../../api/operator-audit-api.ts';
import { operatorFleetApi } from '../../api/operator-fleet-api.ts';
import { operatorHistoryApi } from '../../api/operator-history-api.ts';
import { operatorInvitationApi } from '../../api/operator-invitation-api.ts';
import { operatorRecoveryApi } from '../../api/operator-recovery-api.ts';
import { operatorSourceApi } from '../../api/operator-source-api.ts';
import { operatorStatementApi } from '../../api/operator-statement-api.ts';
import { operatorUpdateApi } from '../../api/operator-update-api.ts';
import { operatorUploadApi } from '../../api/operator-upload-api.ts';
import { pingApi } from '../../api/ping-api.ts';
import { NexusId } from '../../core/ids.ts';
import type { Rng } from '../../core/rng.ts';
import { bindApi } from '../../http/handlers.ts';
import { type Peers, securePeers } from '../../http/peers.ts';
import { noKnownPeers } from '../../http/places.ts';
import { type ApiServer, DEFAULT_DRAIN_TIMEOUT_MS, serveApi } from '../../http/server.ts';
import { type AdminKeys, NO_ADMIN_KEYS, readAdminPublicKey } from '../../identity/admin-key.ts';
import { type CredentialSource, watchCredentials } from '../../identity/credentials.ts';
import { type CertificateIssuer, openIssuer } from '../../identity/issuer.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { createHttpConnection } from '../../sled-client/http-connection.ts';
import { fetchRelease } from '../../source/fetch-release.ts';
import { followArchive } from '../../verify/follow-archive.ts';
import { verifyRelease, verifyRootArchive } from '../../verify/verify-release.ts';
import { createRefusals, type Refusals } from '../background/refusals-task.ts';
import { createDatabaseWatch } from '../datastore/database-watch.ts';
import { createPgDatastore } from '../datastore/pg-datastore.ts';
import { createOperatorCheck } from '../operators/operator-check.ts';
import { openStagingDirectory } from '../releases/staging/directory.ts';
import { freeBytesOf } from '../releases/staging/space.ts';
import { metricsPage } from '../status/metrics.ts';
import type { IdentifiedConfig, NexusConfig } from './config.ts';
import { renewItself } from './renew-itself.ts';
import { type ServiceDeps, type Services, startServices } from './services.ts';
import { type StartingFacts, startingMetrics, startingStatus } from './starting.ts';
import { bindLate, createLate, type Late } from './startup.ts';
import { readOrMakeToken } from './token-file.ts';

export type NexusDeps = {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** The time for running requests to finish when the Nexus stops. */
  readonly drainTimeoutMs?: number;
  /** Instead of the real ones, for tests. */
  readonly replace?: Partial<
    Pick<
      ServiceDeps,
      | 'openDatastore'
      | 'connectSleds'
      | 'verifyRelease'
      | 'followArchive'
      | 'verifyRoots'
      | 'fetchRelease'
      | 'freeBytes'
      | 'uploadWaits'
    >
  >;
};

export type Nexus = {
  readonly id: NexusId;
  /** `host:port` as bound. */
  readonly operatorAddress: string;
  readonly internalAddress: string;
  /** Where approved sleds without an identity register, if the configuration says so. */
  readonly plainAddress: string | undefined;
  /** Where background tasks are read without a token, if the configuration says so. */
  readonly debugAddress: string | undefined;
  /** Resolves when requests are served; rejects when the start failed for good, or was ended by disposing. */
  readonly started: Promise<Services>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

const warnOfSettings = ({ leftovers, signatures }: NexusConfig, log: Logger): void => {
  for (const key of leftovers) log.warn({ key }, 'this key has no effect; remove it from the file');
  if (signatures.rsaPkcs1v15 === 'accepted')
    log.warn({ accept_rsa_pkcs1v15: true }, 'signatures of the scheme RSASSA-PKCS1-v1_5 count in this Nexus');
};

/** @throws `IN_USE_BY_PROCESS`, `STAGING_DAMAGED`, `CONFIG_INVALID`, `ADDRESS_IN_USE`, `LISTEN_NOT_LOOPBACK` */
export const createNexus = async (config: IdentifiedConfig, deps: NexusDeps): Promise<Nexus> => {
  await using stack = new AsyncDisposableStack();
  const adminKeys = await adminKeysOf(config);
  warnOfSettings(config, deps.log);
  const credentials = stack.use(
    await watchCredentials(config.identity, { kind: 'nexus', adminKeys, ...deps }),
  );
  const peers = stack.use(securePeers(credentials));
  const issuer = await issuerOf(config, credentials, deps);
  const nexusId = NexusId.parse(credentials.current().identity.id);
  const directory = stack.use(await openStagingDirectory(config.stagingDirectory, { nexusId }));
  const token = await readOrMakeToken(config.tokenFile);
  const watch = createDatabaseWatch(deps.clock);
  const services = createLate<Services>(watch);
  const refusals = createRefusals(deps.clock);
  stack.defer(async () => services.peek()?.[Symbol.asyncDispose]());

  const served = { config, deps, services, refusals };
  const operator = stack.use(
    await serveOperators({
      ...{ ...served, token, credentials },
      starting: () => ({ nexusId: directory.nexusId, config, outage: watch.outage() }),
    }),
  );
  const internal = stack.use(await serveSleds({ ...served, credentials }));
  const plain = stack.use(await servePlainSleds(served));
  const debug = stack.use(await servePlainDebug(served));

  const stop = new AbortController();
  const started = startServices(
    {
      ...realServices(config, deps, peers),
      ...{ issuer, refusals, tellsAuditHeads: true },
      ...{ revocations: credentials.revocations, statements: credentials.statements, adminKeys },
      fleet: credentials.current().identity.fleet,
      certificates: () => [credentials.current(), ...peers.certificates()],
      newId: randomUUID,
      ...deps.replace,
      ...deps,
      config,
      directory,
      operatorAddress: operator.address,
      watch,
    },
    { signal: stop.signal },
  ).then(running => {
    services.set(running);
    return running;
  });
  // The owner of the Nexus awaits `started`; stopping it before that is no fault.
  started.catch(() => undefined);
  stack.defer(async () => {
    stop.abort(new DepotError('SHUTTING_DOWN', 'this Nexus is stopping'));
    await started.catch(() => undefined);
  });

  stack.use(renewItself(config, { credentials, issuer, started, ...deps }));

  const owned = stack.move();
  return {
    id: directory.nexusId,
    operatorAddress: operator.address,
    internalAddress: internal.address,
    plainAddress: plain?.address,
    debugAddress: debug?.address,
    started,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** The public key that statements are verified by. */
const adminKeysOf = async ({ adminKeyFile }: NexusConfig): Promise<AdminKeys> => {
  if (adminKeyFile === undefined) return NO_ADMIN_KEYS;
  const key = await readAdminPublicKey(adminKeyFile);
  return { list: () => [key] };
};

const issuerOf = async (
  { authorityDirectory }: NexusConfig,
  credentials: CredentialSource,
  { clock, log }: NexusDeps,
): Promise<CertificateIssuer | undefined> => {
  if (authorityDirectory === undefined) return undefined;
  const { fleet } = credentials.current().identity;
  return await openIssuer(authorityDirectory, {
    fleet,
    nowMs: clock.nowMs,
    acceptedPem: () => credentials.current().authoritiesPem,
    log,
  });
};

type InternalServer = {
  readonly config: NexusConfig;
  readonly deps: NexusDeps;
  readonly services: Late<Services>;
  readonly credentials: CredentialSource;
  readonly refusals: Pick<Refusals, 'note'>;
};

type OperatorServer = InternalServer & {
  /** Of the token file. */
  readonly token: string;
  /** The answers before the services exist. */
  readonly starting: () => StartingFacts;
};

const serveOperators = ({
  config,
  deps: { log, drainTimeoutMs = DEFAULT_DRAIN_TIMEOUT_MS },
  services,
  credentials,
  refusals,
  token,
  starting,
}: OperatorServer): Promise<ApiServer> =>
  serveApi({
    apis: [
      bindLate(operatorUpdateApi, () => services.get().operatorUpdate),
      bindLate(operatorUploadApi, () => services.get().operatorUpload),
      bindLate(
        operatorFleetApi,
        () => services.get().operatorFleet,
        () => (services.peek() === undefined ? { fleetStatus: async () => startingStatus(starting()) } : {}),
      ),
      bindLate(operatorRecoveryApi, () => services.get().operatorRecovery),
      bindLate(operatorSourceApi, () => services.get().operatorSource),
      bindLate(operatorHistoryApi, () => services.get().operatorHistory),
      bindLate(operatorAccessApi, () => services.get().operatorAccess),
      bindLate(operatorInvitationApi, () => services.get().operatorInvitation),
      bindLate(operatorAuditApi, () => services.get().operatorAudit),
      bindLate(operatorStatementApi, () => services.get().operatorStatement),
      bindLate(debugApi, () => services.get().debug),
      bindApi(pingApi, { ping: async () => ({ status: 'ok' as const }) }),
    ],
    pages: [
      metricsPage(
        async options => services.peek()?.metrics(options) ?? startingMetrics(starting()),
        config.metricsAccess,
      ),
    ],
    listen: config.operatorListen,
    allowedHosts: config.allowedHosts,
    operators: createOperatorCheck(token, () => services.peek()?.tokens),
    credentials: config.operatorTransport === 'tls' ? credentials : undefined,
    limits: {
      streamBodyBytes: config.limits.repositoryBytes,
      progress: config.progress,
      drainTimeoutMs,
    },
    onRefused: refusals.note,
    log: log.child({ component: 'operator-api' }),
  });

const serveSleds = ({
  config,
  deps: { log, drainTimeoutMs = DEFAULT_DRAIN_TIMEOUT_MS },
  services,
  credentials,
  refusals,
}: InternalServer): Promise<ApiServer> =>
  serveApi({
    apis: [
      bindLate(internalApi, () => services.get().internal),
      bindLate(certificateApi, () => services.get().certificates),
      bindLate(joinApi, () => services.get().join),
    ],
    listen: config.internalListen,
    credentials,
    allowedHosts: config.allowedHosts,
    knownPeers: () => services.peek()?.knownSleds() ?? noKnownPeers(),
    limits: { drainTimeoutMs },
    onRefused: refusals.note,
    log: log.child({ component: 'internal-api' }),
  });

/** STR2 decides on each request; there is no other route. */
const servePlainSleds = async ({
  config: { plainListen, allowedHosts },
  deps: { log, drainTimeoutMs = DEFAULT_DRAIN_TIMEOUT_MS },
  services,
  refusals,
}: Omit<InternalServer, 'credentials'>): Promise<ApiServer | undefined> =>
  plainListen &&
  (await serveApi({
    apis: [bindLate(internalApi, () => services.get().plainInternal)],
    listen: plainListen,
    servesNetworkInPlain: true,
    onRefused: refusals.note,
    allowedHosts,
    knownPeers: () => services.peek()?.knownSleds() ?? noKnownPeers(),
    limits: { drainTimeoutMs },
    log: log.child({ component: 'plain-api' }),
  }));

/** Nothing here changes anything, and nothing asks for an identity. */
const servePlainDebug = async ({
  config: { debugListen, allowedHosts },
  deps: { log, drainTimeoutMs = DEFAULT_DRAIN_TIMEOUT_MS },
  services,
  refusals,
}: Omit<InternalServer, 'credentials'>): Promise<ApiServer | undefined> =>
  debugListen &&
  (await serveApi({
    apis: [bindLate(plainDebugApi, () => services.get().plainDebug)],
    listen: debugListen,
    servesNetworkInPlain: true,
    onRefused: refusals.note,
    allowedHosts,
    limits: { drainTimeoutMs },
    log: log.child({ component: 'plain-debug-api' }),
  }));

const realServices = (
  { databaseUrl, progress }: NexusConfig,
  { log, clock, rng }: NexusDeps,
  peers: Peers,
): Required<Omit<NonNullable<NexusDeps['replace']>, 'uploadWaits'>> => ({
  openDatastore: ({ signal }) =>
    createPgDatastore({
      connection: databaseUrl,
      log: log.child({ component: 'datastore' }),
      clock,
      rng,
      signal,
    }),
  connectSleds: () => createHttpConnection({ peers, timeouts: { progress } }),
  verifyRelease,
  followArchive,
  verifyRoots: verifyRootArchive,
  fetchRelease,
  freeBytes: freeBytesOf,
});
