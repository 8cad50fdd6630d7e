/**
 * What stands behind the handlers of a Nexus, started in the order in which each needs the other:
 *
 *     datastore ─▶ heartbeat ─▶ staging taken up (P4) ─▶ uploads, replication ─▶ driver ─▶ handlers
 *
 * and ended in the reverse: uploads settle, tasks stop, the history is written to its end, and at last the database's
 * connections close.
 */
import type { debugApi } from '../api/debug-api.ts';
import type { internalApi } from '../api/internal-api.ts';
import type { operatorFleetApi } from '../api/operator-fleet-api.ts';
import type { operatorHistoryApi } from '../api/operator-history-api.ts';
import type { operatorRecoveryApi } from '../api/operator-recovery-api.ts';
import type { operatorSourceApi } from '../api/operator-source-api.ts';
import type { operatorUpdateApi } from '../api/operator-update-api.ts';
import type { HealthReason } from '../core/health.ts';
import type { NexusId } from '../core/ids.ts';
import type { Rng } from '../core/rng.ts';
import type { Handlers } from '../http/handlers.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { FetchRelease } from '../source/fetch-release.ts';
import { createDriver, type Driver } from './background/driver.ts';
import type { NexusConfig } from './config.ts';
import type { Datastore } from './datastore/datastore.ts';
import { createDebugApi } from './debug-api.ts';
import { DEFAULT_COLLECT_LIMITS } from './fleet-client/collect.ts';
import { DEFAULT_EXECUTE_LIMITS } from './fleet-client/execute.ts';
import type { SledConnection } from './fleet-client/sled-connection.ts';
import { heartbeatTask } from './heartbeat.ts';
import { createHistory, type History, type Note } from './history/history.ts';
import { createReplicationEvents } from './history/replication-events.ts';
import { createInternalApi } from './internal-api.ts';
import type { MetricFacts } from './metrics.ts';
import { createOperatorFleetApi, readFleetStatus } from './operator-fleet-api.ts';
import { createOperatorHistoryApi } from './operator-history-api.ts';
import { createOperatorRecoveryApi } from './operator-recovery-api.ts';
import { createOperatorSourceApi } from './operator-source-api.ts';
import { createOperatorUpdateApi } from './operator-update-api.ts';
import { createReplicationTrigger, type ReplicationTrigger } from './replication-trigger.ts';
import { createRequestLog } from './request-log.ts';
import { createSources, type Sources } from './source/sources.ts';
import { adoptStaging } from './staging/adopt.ts';
import type { StagingDirectory } from './staging/directory.ts';
import { createLocalRepos, type LocalRepos } from './staging/local-repos.ts';
import { createStagingSpace, type StagingSpace } from './staging/space.ts';
import type { Staging } from './staging/staging.ts';
import { waitForDatabase } from './startup.ts';
import { readExpiries } from './status/expiry.ts';
import { replicationSummary, targetProgress } from './status/update-summary.ts';
import { createReplication, REPLICATION_TASK, type Replication } from './tasks/artifact-replication/task.ts';
import { fleetHistory, followHistory, HISTORY_TASK } from './tasks/fleet-history.ts';
import { repoPruner } from './tasks/repo-pruner.ts';
import { createSledLiveness, type SledLiveness } from './tasks/sled-liveness.ts';
import { createSourceSync, SOURCE_SYNC_TASK } from './tasks/source-sync.ts';
import { checkArchive, type VerifyRelease } from './upload/check-archive.ts';
import { createFleetCapacity, type FleetCapacity } from './upload/fleet-capacity.ts';
import { takeRoots, type VerifyRoots } from './upload/root-upload.ts';
import { createUploads, type Uploads } from './upload/uploads.ts';

export type Services = {
  readonly operatorUpdate: Handlers<typeof operatorUpdateApi>;
  readonly operatorFleet: Handlers<typeof operatorFleetApi>;
  readonly operatorRecovery: Handlers<typeof operatorRecoveryApi>;
  readonly operatorSource: Handlers<typeof operatorSourceApi>;
  readonly operatorHistory: Handlers<typeof operatorHistoryApi>;
  readonly debug: Handlers<typeof debugApi>;
  readonly internal: Handlers<typeof internalApi>;
  readonly metrics: (options: { signal: AbortSignal }) => Promise<MetricFacts>;
  readonly driver: Driver;
  readonly staging: Staging;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export type ServiceDeps = {
  readonly config: NexusConfig;
  readonly directory: StagingDirectory;
  readonly operatorAddress: string;
  readonly openDatastore: (options: { signal: AbortSignal }) => Promise<Datastore>;
  readonly connectSleds: () => SledConnection & AsyncDisposable;
  readonly verifyRelease: VerifyRelease;
  readonly verifyRoots: VerifyRoots;
  readonly fetchRelease: FetchRelease;
  readonly freeBytes: (path: string) => Promise<number>;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Makes the ids of uploads, releases and events of the history. */
  readonly newId: () => string;
  readonly log: Logger;
  /** Told why the start takes its time. */
  readonly waitsFor: (reason: string) => void;
};

/** @throws `SCHEMA_VERSION`; a database that does not answer is waited for */
export const startServices = async (
  deps: ServiceDeps,
  { signal }: { signal: AbortSignal },
): Promise<Services> => {
  const { config, directory, clock } = deps;
  await using stack = new AsyncDisposableStack();
  const patiently = <T>(attempt: () => Promise<T>) => waitForDatabase(attempt, deps, { signal });

  const datastore = stack.use(await patiently(() => deps.openDatastore({ signal })));
  const timeStartedMs = clock.nowMs();
  const nexus = { id: directory.nexusId, operatorAddress: deps.operatorAddress, timeStartedMs };
  await patiently(() => datastore.nexusHeartbeat(nexus, { signal }));
  const history = beginHistory(stack, deps, datastore);
  const { note } = history;
  const events = createReplicationEvents({ note, clock });

  const trigger = createReplicationTrigger(deps);
  const { localRepos, uploads, space, capacity, adopted } = await startStaging(
    { ...deps, datastore, note, activateReplication: trigger.activate },
    adopt => patiently(() => adopt({ signal })),
  );
  stack.use(localRepos);
  const staging: Staging = { ...localRepos, uploadsInProgress: uploads.inProgress };

  const connection = stack.use(deps.connectSleds());
  const requestLog = deps.log.child({ component: 'requests' });
  const requests = createRequestLog({ clock, log: requestLog, onRequest: events.requested });
  const policy = replicationPolicy(config);
  const replication = stack.use(
    createReplication({ ...deps, datastore, connection, staging, requests, history: events, policy }),
  );
  const liveness = createSledLiveness({ datastore, connection, clock, onReturn: replication.sledReturned });
  const sources = createSources(config.sources);
  const driver = stack.use(
    createDriver({
      tasks: [
        replication.task,
        liveness.task,
        createSourceSync({ ...deps, datastore, space, capacity, uploads, sources }),
        heartbeatTask({ datastore, nexus }),
        repoPruner({ datastore, note, ...config.pruner }),
        fleetHistory({ history, datastore, clock, config: config.history }),
      ],
      clock,
      log: deps.log.child({ component: 'tasks' }),
    }),
  );
  trigger.connect(driver);
  stack.use(followHistory({ history, activate: () => driver.activate(HISTORY_TASK), clock }));
  stack.use(uploads);

  const owned = stack.move();
  const notices = () => [...adopted, ...localRepos.notices(), ...trigger.notices(), ...sources.reasons()];
  return {
    ...handlers({
      config,
      clock,
      datastore,
      connection,
      nexus,
      staging,
      uploads,
      trigger,
      notices,
      history,
      replication,
      liveness,
      driver,
      sources,
    }),
    driver,
    staging,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** Begins with the start, and ends, written, after everything that notes something has ended. */
const beginHistory = (
  stack: AsyncDisposableStack,
  { directory, clock, newId, log, operatorAddress }: ServiceDeps,
  datastore: Datastore,
): History => {
  const { nexusId } = directory;
  const history = stack.use(
    createHistory({ datastore, nexusId, clock, newId, log: log.child({ component: 'history' }) }),
  );
  history.note({ kind: 'nexus_started', message: `serves operators at ${operatorAddress}` });
  stack.defer(() => history.note({ kind: 'nexus_stopped', message: 'cleanly' }));
  return history;
};

type Parts = {
  readonly config: NexusConfig;
  readonly clock: Clock;
  readonly datastore: Datastore;
  readonly connection: SledConnection;
  readonly nexus: { readonly id: NexusId; readonly timeStartedMs: number };
  readonly staging: Staging;
  readonly uploads: Uploads;
  readonly trigger: ReplicationTrigger;
  readonly notices: () => readonly HealthReason[];
  readonly history: History;
  readonly replication: Replication;
  readonly liveness: SledLiveness;
  readonly driver: Driver;
  readonly sources: Sources;
};

const handlers = (parts: Parts): Omit<Services, 'driver' | 'staging' | typeof Symbol.asyncDispose> => {
  const { config, datastore, history, nexus, driver, sources } = parts;
  const { observer } = parts.replication;
  const activateReplication = parts.trigger.activate;
  const fleetParts = {
    ...parts,
    nexusId: nexus.id,
    observer,
    minSledReplication: config.replication.minSledReplication,
    insecureListen: config.insecureListen,
  };
  return {
    operatorUpdate: createOperatorUpdateApi({
      ...parts,
      note: history.note,
      activateReplication,
      releaseProgress: version => targetProgress(observer.latest(), version),
      replicationSummary: () =>
        replicationSummary(observer.latest(), {
          timeLastPlannedMs: observer.timeLastPlannedMs() ?? nexus.timeStartedMs,
          suspended: !driver.status(REPLICATION_TASK).periodic,
        }),
    }),
    operatorFleet: createOperatorFleetApi(fleetParts),
    operatorRecovery: createOperatorRecoveryApi({ ...parts, note: history.note, activateReplication }),
    operatorSource: createOperatorSourceApi({
      datastore,
      sources,
      activateSync: () => driver.activate(SOURCE_SYNC_TASK),
      maxBytes: config.limits.repositoryBytes,
    }),
    operatorHistory: createOperatorHistoryApi({ datastore, history }),
    metrics: async options => ({
      status: await readFleetStatus(fleetParts, options),
      expiries: await readExpiries(datastore, options),
      sources: sources.list(),
    }),
    debug: createDebugApi({ driver }),
    internal: createInternalApi({ datastore, note: history.note, activateReplication }),
  };
};

type StartedStaging = {
  readonly localRepos: LocalRepos;
  readonly uploads: Uploads;
  readonly space: StagingSpace;
  readonly capacity: FleetCapacity;
  readonly adopted: readonly HealthReason[];
};

/** Takes up what lies in staging (P4) before any upload can begin. */
const startStaging = async (
  deps: ServiceDeps & {
    readonly datastore: Datastore;
    readonly note: Note;
    readonly activateReplication: () => void;
  },
  patiently: <T>(attempt: (options: { signal: AbortSignal }) => Promise<T>) => Promise<T>,
): Promise<StartedStaging> => {
  const {
    config,
    directory,
    datastore,
    note,
    activateReplication,
    verifyRelease,
    verifyRoots,
    clock,
    newId,
  } = deps;
  const log = deps.log.child({ component: 'uploads' });
  const localRepos = createLocalRepos({
    directory,
    datastore,
    recordAgain: (archive, options) => uploads.recordAgain(archive, options),
    note,
    log,
  });
  const { artifactBytes, repositoryBytes } = config.limits;
  // As for the defaults, what inflates to more than twice the largest archive is no release.
  const limits = { maxEntryBytes: artifactBytes, maxTotalBytes: 2 * repositoryBytes };
  const space = createStagingSpace(directory.path, deps.freeBytes);
  const { minSledReplication } = config.replication;
  const capacity = createFleetCapacity({ datastore, minSledReplication });
  const uploads = createUploads({
    datastore,
    directory,
    space,
    localRepos,
    capacity,
    check: (archive, options) => checkArchive({ datastore, verifyRelease, clock, limits }, archive, options),
    takeRoots: (path, options) => takeRoots({ datastore, verifyRoots, clock, log }, path, options),
    note,
    activateReplication,
    limits: config.limits,
    newId,
    log,
  });
  const { recordAgain } = uploads;
  const { adopted, notices } = await patiently(options =>
    adoptStaging({ directory, datastore, recordAgain, log }, options),
  );
  for (const archive of adopted) localRepos.hold(archive, 'adopted');
  return { localRepos, uploads, space, capacity, adopted: notices };
};

const replicationPolicy = ({ replication }: NexusConfig) => ({
  periodMs: replication.periodMs,
  disable: replication.disable,
  minSledReplication: replication.minSledReplication,
  requestLimits: replication.requestLimits,
  collectLimits: DEFAULT_COLLECT_LIMITS,
  executeLimits: {
    ...DEFAULT_EXECUTE_LIMITS,
    putConcurrency: replication.putConcurrency,
    copyConcurrency: replication.copyConcurrency,
  },
});
