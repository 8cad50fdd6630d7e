/**
 * A sled agent: one store, two servers, and three things that run beside them.
 *
 *     Nexus ─▶ artifact API ─▶ store ◀─ Repo Depot ◀─ other sleds
 *                  └─▶ copies ─▶ ┘ └─ reconcile, now and then (B10)
 *     registration ─▶ Nexus
 *
 * It ends in the reverse order: registration and reconciling, servers (running requests may finish), copies,
 * and at last the store, so that nothing uses what is gone (S15).
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { depotApi } from '../api/depot-api.ts';
import { internalApi, type SledAgentInfo } from '../api/internal-api.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import type { Rng } from '../core/rng.ts';
import { createApiClient, createDispatcher } from '../http/client.ts';
import { bindApi } from '../http/handlers.ts';
import { formatAddress } from '../http/listen.ts';
import { DEFAULT_PROGRESS } from '../http/progress.ts';
import { serveApi } from '../http/server.ts';
import type { Clock } from '../lib/clock.ts';
import { DepotError, messageChain } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { agentHandlers, datasetToWire } from './agent-api.ts';
import type { SledAgentConfig } from './config.ts';
import { createCopies } from './copy.ts';
import { depotHandlers } from './depot-api.ts';
import { createRegistration } from './register.ts';
import { createSlots } from './slots.ts';
import { openStore } from './store/open-store.ts';
import type { ArtifactStore, DatasetHealth } from './store/store.ts';

export type SledAgentDependencies = { readonly clock: Clock; readonly rng: Rng; readonly log: Logger };

export type SledAgent = AsyncDisposable & {
  /** `host:port` as bound. */
  readonly agentAddress: string;
  readonly depotAddress: string;
  readonly store: ArtifactStore;
};

/**
 * Resolves when both servers listen; registration goes on from there. Disposing stops everything.
 *
 * @throws `NO_USABLE_DATASET`, `ADDRESS_IN_USE`, `LISTEN_NOT_LOOPBACK`, `IN_USE_BY_PROCESS`
 */
export const startSledAgent = async (
  config: SledAgentConfig,
  { clock, rng, log }: SledAgentDependencies,
): Promise<SledAgent> => {
  await requireDataset(config.store.directories, log);
  await using started = new AsyncDisposableStack();
  const store = started.use(await openStore(config.store, { clock, log: log.child({ component: 'store' }) }));
  const progress = { ...DEFAULT_PROGRESS, intervalMs: config.stallTimeoutMs };
  const copies = started.use(
    createCopies({
      store,
      clock,
      log: log.child({ component: 'copies' }),
      limit: config.limits.copies,
      progress,
    }),
  );
  const puts = createSlots(config.limits.puts, 'puts');
  const reads = createSlots(config.limits.depotReads, 'reads');
  const serve = {
    insecureListen: config.insecureListen,
    limits: { progress, streamBodyBytes: config.store.maxArtifactBytes },
  };
  const depot = started.use(
    await serveApi({
      ...serve,
      apis: [bindApi(depotApi, depotHandlers({ store, reads }))],
      listen: config.depotListen,
      log: log.child({ component: 'depot' }),
    }),
  );
  const agent = started.use(
    await serveApi({
      ...serve,
      apis: [bindApi(sledAgentApi, agentHandlers({ store, copies, puts }))],
      listen: config.listen,
      log: log.child({ component: 'agent' }),
    }),
  );
  const host = config.advertiseHost ?? agent.host;
  const addresses = { agent: formatAddress({ host, port: agent.port }), depotPort: depot.port };
  started.use(await startUpkeep(config, { store, addresses, clock, rng, log }));
  const owned = started.move();
  return {
    agentAddress: agent.address,
    depotAddress: depot.address,
    store,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** Registration, and a look at the datasets now and then, until disposed. */
const startUpkeep = async (
  config: SledAgentConfig,
  {
    store,
    addresses,
    clock,
    rng,
    log,
  }: SledAgentDependencies & { store: ArtifactStore; addresses: { agent: string; depotPort: number } },
): Promise<AsyncDisposable> => {
  const stop = new AbortController();
  const { signal } = stop;
  let health = (await store.list()).datasetHealth;
  const dispatcher = createDispatcher();
  const registration = createRegistration({
    sledId: config.sledId,
    peers: config.nexusUrls.map(url => ({
      url,
      client: createApiClient(internalApi, { baseUrl: url, dispatcher }),
    })),
    info: () => sledInfo(config, addresses, store, health),
    acceptFloor: store.acceptFloor,
    clock,
    rng,
    log: log.child({ component: 'registration' }),
    periodMs: config.registrationPeriodMs,
  });
  const reconcile = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(config.reconcilePeriodMs, { signal });
      const before = situation(store, health);
      try {
        await store.reconcile('periodic', { signal });
        health = (await store.list()).datasetHealth;
      } catch (error) {
        signal.throwIfAborted();
        log.error({ err: error }, 'reconciling failed; it is tried again at the next period');
      }
      if (situation(store, health) !== before) registration.changed();
    }
  };
  const running = [registration.run({ signal }), reconcile()];
  for (const each of running)
    each.catch(error => {
      if (!signal.aborted) log.error({ err: error }, 'upkeep ended');
    });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled(running);
      await dispatcher.close();
    },
  };
};

/** What makes a registration out of date when it changes. */
const situation = (store: ArtifactStore, health: readonly DatasetHealth[]): string =>
  JSON.stringify([
    store.incarnationId(),
    store.state().kind,
    health.map(({ id, path, state }) => [id, path, state]),
  ]);

/** What a machine of any make has to say. */
const sledInfo = (
  { baseboard }: SledAgentConfig,
  { agent, depotPort }: { agent: string; depotPort: number },
  store: ArtifactStore,
  health: readonly DatasetHealth[],
): Omit<SledAgentInfo, 'generation'> => ({
  sa_address: agent,
  repo_depot_port: depotPort,
  role: 'gimlet',
  baseboard,
  usable_hardware_threads: availableParallelism(),
  usable_physical_ram: totalmem(),
  reservoir_size: 0,
  cpu_family: 'unknown',
  decommissioned: false,
  incarnation_id: store.incarnationId(),
  datasets: health.map(datasetToWire),
});

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

const datasetFault = async (directory: string): Promise<string | undefined> => {
  try {
    if (!(await stat(directory)).isDirectory()) return `${directory} is not a directory`;
    await access(directory, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return messageChain(error);
  }
};
