/**
 * A sled agent: two servers over what services.ts starts, and with `depot_plain_listen` the Repo Depot once more, without TLS.
 *
 *     Nexus ─▶ artifact API ─┐
 *                            ├─▶ services ─▶ registration ─▶ Nexus
 *     sleds ─▶ Repo Depot ───┘
 *
 * It ends in the reverse order: registration, servers (running requests may finish), and then the services (S15).
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { arrivingApi } from '../api/arriving-api.ts';
import { depotApi } from '../api/depot-api.ts';
import { internalApi } from '../api/internal-api.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import type { Rng } from '../core/rng.ts';
import { createApiClient } from '../http/client.ts';
import { bindApi } from '../http/handlers.ts';
import { watchKnownHosts } from '../http/known-hosts.ts';
import { type Peers, plainPeers, securePeers } from '../http/peers.ts';
import { DEFAULT_PROGRESS } from '../http/progress.ts';
import { rawGet } from '../http/raw-get.ts';
import { createRefusalLog } from '../http/refusal-log.ts';
import { type ApiServer, type ServerOptions, serveApi } from '../http/server.ts';
import { type CredentialSource, watchCredentials } from '../identity/credentials.ts';
import { startRenewal } from '../identity/renewal.ts';
import { NO_REVOCATIONS } from '../identity/revocations.ts';
import { NO_STATEMENTS } from '../identity/statements.ts';
import { renewAnywhere } from '../join/renew-anywhere.ts';
import type { Clock } from '../lib/clock.ts';
import { endpointUrl, formatAddress } from '../lib/endpoint.ts';
import { DepotError, errorCodeOf, messageChain } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { realDisk } from '../lib/real-disk.ts';
import type { SledAgentConfig } from './config.ts';
import type { FetchArtifact } from './copy.ts';
import { type SledServicesDependencies, startSledServices } from './services.ts';
import type { ArtifactStore } from './store/store.ts';
import { openPins, openTrust } from './trust/open-trust.ts';
import type { SledTrust } from './trust/trust.ts';
import type { Pins } from './trust/trust-file.ts';

export type SledAgentDependencies = { readonly clock: Clock; readonly rng: Rng; readonly log: Logger };

export type SledAgent = AsyncDisposable & {
  /** `host:port` as bound. */
  readonly agentAddress: string;
  readonly depotAddress: string;
  /** Without TLS, if the configuration says so. */
  readonly plainDepotAddress: string | undefined;
  readonly store: ArtifactStore;
};

/**
 * Resolves when both servers listen; registration continues in the background. Disposing stops everything.
 *
 * @throws `NO_USABLE_DATASET`, `ADDRESS_IN_USE`, `LISTEN_NOT_LOOPBACK`, `IN_USE_BY_PROCESS`
 */
export const startSledAgent = async (
  config: SledAgentConfig,
  { clock, rng, log }: SledAgentDependencies,
): Promise<SledAgent> => {
  await requireDataset(config.store.directories, log);
  await using started = new AsyncDisposableStack();
  const pins = config.identity && (await openPins(config.identity, config.trust));
  const adminKeys = { list: () => pins?.adminKeys ?? [] };
  const credentials =
    config.identity &&
    started.use(await watchCredentials(config.identity, { kind: 'sled', clock, log, adminKeys }));
  const peers = started.use(credentials === undefined ? plainPeers() : securePeers(credentials));
  const nexuses = config.nexuses.map(nexus => {
    const url = endpointUrl(nexus);
    const dispatcher = peers.dispatcher(nexus.expected);
    return { url, client: createApiClient(internalApi, { baseUrl: url, dispatcher }) };
  });
  if (config.identity !== undefined && credentials !== undefined)
    started.use(
      startRenewal({
        credentials,
        certificateFile: config.identity.certificateFile,
        request: options => renewAnywhere(config.nexuses, credentials, options),
        clock,
        log: log.child({ component: 'identity' }),
      }),
    );
  const hosts = config.nexuses.map(({ host }) => host);
  const { addresses: knownPeers } = started.use(watchKnownHosts(hosts, { clock, log }));
  const services = started.use(
    await startSledServices(config, {
      ...{ clock, rng, log, peers: nexuses, fetchArtifact: fetchFrom(peers), knownPeers },
      isPlain: credentials === undefined,
      ...rememberedBy(credentials),
      trust: await ownTrust(config, { pins, credentials, log }),
    }),
  );
  const serve = {
    credentials,
    servesNetworkInPlain: true,
    allowedHosts: config.allowedHosts,
    knownPeers,
    limits: {
      progress: { ...DEFAULT_PROGRESS, intervalMs: config.stallTimeoutMs },
      streamBodyBytes: config.store.maxArtifactBytes,
    },
  };
  const logOf = (component: string) => {
    const own = log.child({ component });
    return { log: own, onRefused: createRefusalLog(own, clock) };
  };
  const depots = { ...serve, apis: [bindApi(depotApi, services.depot)], ...logOf('depot') };
  const apis = [...depots.apis, bindApi(arrivingApi, services.arriving)];
  const depot = started.use(await serveApi({ ...depots, apis, listen: config.depotListen }));
  const plainDepot = started.use(await servePlainDepot(config, depots));
  const agent = started.use(
    await serveApi({
      ...serve,
      apis: [bindApi(sledAgentApi, services.agent)],
      listen: config.listen,
      ...logOf('agent'),
    }),
  );
  const address = formatAddress({ ...agent, host: config.advertiseHost ?? agent.host });
  started.use(await services.startUpkeep({ agent: address, depotPort: depot.port }));
  const owned = started.move();
  return {
    agentAddress: agent.address,
    depotAddress: depot.address,
    plainDepotAddress: plainDepot?.address,
    store: services.store,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** For readers that compare the hash of what they read: nothing else of a sled is worth protecting from them. */
const servePlainDepot = async (
  { plainDepotListen }: SledAgentConfig,
  depot: Omit<ServerOptions, 'listen' | 'credentials'>,
): Promise<ApiServer | undefined> =>
  plainDepotListen && (await serveApi({ ...depot, credentials: undefined, listen: plainDepotListen }));

/** A plain sled remembers nothing. */
const rememberedBy = (
  credentials: CredentialSource | undefined,
): Pick<SledServicesDependencies, 'revocations' | 'statements'> => {
  const { revocations = NO_REVOCATIONS, statements = NO_STATEMENTS } = credentials ?? {};
  return { revocations, statements };
};

/** Undefined without an identity. */
const ownTrust = async (
  { identity, trust }: SledAgentConfig,
  {
    pins,
    credentials,
    log,
  }: {
    readonly pins: Pins | undefined;
    readonly credentials: CredentialSource | undefined;
    readonly log: Logger;
  },
): Promise<SledTrust | undefined> =>
  identity &&
  pins &&
  credentials &&
  openTrust(identity, pins, trust, {
    statements: credentials.statements,
    log: log.child({ component: 'trust' }),
  });

/**
 * With TLS an order names its source, whose certificate is compared. A plain source is one that the order names as such, at an
 * address and port alone: the path is then that of an artifact, whatever a Nexus orders, and what is read is judged by its hash.
 */
const fetchFrom =
  (peers: Peers): FetchArtifact =>
  (url, { sourceId, isPlainSource, ...options }) => {
    if (isPlainSource) {
      requirePlainDepot(url);
      return rawGet(url, { ...options, tls: undefined });
    }
    if (peers.scheme === 'https' && sourceId === undefined)
      throw new DepotError('INVALID_REQUEST', 'an order to copy has to name its source: source_sled_id');
    return rawGet(url, {
      ...options,
      tls: sourceId === undefined ? undefined : peers.tls({ kind: 'sled', id: sourceId }),
    });
  };

const PLAIN_DEPOT_URL =
  /^http:\/\/(?:\[[0-9a-f:.]+\]|[\d.]+):\d{1,5}\/(?:artifact|arriving)\/sha256\/[0-9a-f]{64}$/;

const requirePlainDepot = (url: string): void => {
  if (PLAIN_DEPOT_URL.test(url)) return;
  throw new DepotError(
    'INVALID_REQUEST',
    `"${url}" is not an artifact at an address such as http://192.0.2.1:12348`,
  );
};

/** One usable directory is enough to start (G8); the others are reported. @throws `NO_USABLE_DATASET` naming each */
const requireDataset = async (directories: readonly string[], log: Logger): Promise<void> => {
  const faults: string[] = [];
  for (const directory of directories) {
    const fault = await datasetFault(directory);
    if (fault !== undefined) faults.push(fault);
  }
  for (const fault of faults) log.error({ fault }, 'dataset cannot be used');
  if (faults.length < directories.length) return;
  throw new DepotError(
    'NO_USABLE_DATASET',
    `no dataset can be used: ${faults.join('; ')}; mount the disks, or create the directories and make them writable`,
  );
};

/** A sled that could lose files which it has acknowledged must not start; of a disk that fails the store makes a report. */
const requireDurableNames = (error: unknown): void => {
  if (errorCodeOf(error) === 'IO') throw error;
};

const datasetFault = async (directory: string): Promise<string | undefined> => {
  try {
    if (!(await stat(directory)).isDirectory()) return `${directory} is not a directory`;
    await access(directory, constants.W_OK | constants.X_OK);
    await realDisk.syncDirectory(directory).catch(requireDurableNames);
    return undefined;
  } catch (error) {
    return messageChain(error);
  }
};
