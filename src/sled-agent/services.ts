/**
 * A sled agent without its servers: one store, and the activities beside it.
 *
 *     Nexus ─▶ artifact API ─▶ store ◀─ Repo Depot ◀─ other sleds
 *                  └─▶ copies ─▶ ┘ ├─ reconcile, periodically (B10)
 *                                  └─ scrub (G5) ─ a bad copy ─▶ registration
 *     registration ─▶ Nexus
 *
 * AG1. It ends in the reverse order: registration, reconciling and scrub, copies, and at last the store, so that nothing
 *      uses a closed part (S15).
 */
import { availableParallelism, totalmem } from 'node:os';
import type { arrivingApi } from '../api/arriving-api.ts';
import type { depotApi } from '../api/depot-api.ts';
import type { sledAgentApi } from '../api/sled-agent-api.ts';
import { type JudgeBundle, judgeApart } from '../bundle/judge-apart.ts';
import type { Rng } from '../core/rng.ts';
import type { SledRegistration } from '../core/sled-registration.ts';
import type { Handlers } from '../http/handlers.ts';
import type { KnownPeers } from '../http/places.ts';
import { DEFAULT_PROGRESS } from '../http/progress.ts';
import type { Revocations } from '../identity/revocations.ts';
import type { Statements } from '../identity/statements.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { agentHandlers } from './agent-api.ts';
import { arrivingHandlers } from './arriving-depot.ts';
import type { SledAgentConfig } from './config.ts';
import { createCopies, type FetchArtifact } from './copy.ts';
import { depotHandlers } from './depot-api.ts';
import { createRegistration, type NexusPeer } from './register.ts';
import { runningVersionReader } from './running-version.ts';
import { createSlots } from './slots.ts';
import { decisionsOf } from './statements.ts';
import { openStore, type StoreDependencies } from './store/open-store.ts';
import type { ArtifactStore, DatasetHealth, StoreState } from './store/store.ts';
import { releaseTrust } from './trust/judge-releases.ts';
import type { SledTrust } from './trust/trust.ts';

/** How others reach this sled. */
type SledAddresses = { readonly agent: string; readonly depotPort: number };

export type SledServices = AsyncDisposable & {
  readonly store: ArtifactStore;
  readonly agent: Handlers<typeof sledAgentApi>;
  readonly depot: Handlers<typeof depotApi>;
  /** For sleds of the fleet alone. */
  readonly arriving: Handlers<typeof arrivingApi>;
  /** Registers, and examines the datasets periodically, until disposed. Called when both servers listen. */
  readonly startUpkeep: (addresses: SledAddresses) => Promise<AsyncDisposable>;
};

export type SledServicesDependencies = Omit<StoreDependencies, 'trust' | 'decisions'> & {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly fetchArtifact: FetchArtifact;
  readonly peers: readonly NexusPeer[];
  /** The addresses of the configured Nexuses, for which places are kept. */
  readonly knownPeers: KnownPeers;
  /** Whether it has no identity. */
  readonly isPlain: boolean;
  readonly revocations: Pick<Revocations, 'add'>;
  readonly statements: Statements;
  /** Undefined without an identity. */
  readonly trust: SledTrust | undefined;
  /** The simulator has no threads. */
  readonly judge?: JudgeBundle;
};

/** Each is in memory until it is stored. */
const MAX_BUNDLES_RECEIVED = 4;

export const startSledServices = async (
  config: SledAgentConfig,
  deps: SledServicesDependencies,
): Promise<SledServices> => {
  const { clock, log, fetchArtifact, trust: pinned, judge = judgeApart, ...rest } = deps;
  await using started = new AsyncDisposableStack();
  const store = started.use(
    await openStore(config.store, {
      ...rest,
      clock,
      log: log.child({ component: 'store' }),
      trust: pinned && releaseTrust(pinned, judge),
      decisions: decisionsOf(deps.statements),
    }),
  );
  const { knownPeers: known } = deps;
  const copies = started.use(
    createCopies({
      store,
      clock,
      fetchArtifact,
      log: log.child({ component: 'copies' }),
      slots: createSlots(config.limits.copies, 'copies', known),
      maxArtifactBytes: config.store.maxArtifactBytes,
      progress: { ...DEFAULT_PROGRESS, intervalMs: config.stallTimeoutMs },
    }),
  );
  const puts = createSlots(config.limits.puts, 'puts', known);
  const bundles = createSlots(MAX_BUNDLES_RECEIVED, 'bundles', known);
  const reads = createSlots(config.limits.depotReads, 'reads', known);
  let listedMs: number | undefined;
  const isListed = (): boolean =>
    listedMs !== undefined && clock.monotonicMs() - listedMs < config.registrationPeriodMs;
  const owned = started.move();
  return {
    store,
    agent: agentHandlers({
      onListed() {
        listedMs = clock.monotonicMs();
      },
      ...{ store, copies, puts, bundles, revocations: deps.revocations, statements: deps.statements },
      trust: pinned,
      runningVersion: runningVersionReader(config.runningVersionFile, { disk: deps.disk, log }),
      clock: deps.clock,
    }),
    depot: depotHandlers({ store, reads }),
    arriving: arrivingHandlers({ store, reads }),
    startUpkeep: addresses => startUpkeep(config, { ...deps, isListed }, store, addresses),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** An answer of the database would decide nothing here: neither on a doubt, nor on a config of another history. */
const isSettled = (store: ArtifactStore): boolean =>
  store.state().kind === 'ready' && store.claims().every(({ isKept }) => !isKept);

const doubtOf = (state: StoreState): string | undefined =>
  state.kind === 'awaiting_floor' ? state.reason : undefined;

const startUpkeep = async (
  config: SledAgentConfig,
  {
    clock,
    rng,
    log,
    peers,
    statements,
    isPlain,
    isListed,
  }: SledServicesDependencies & { readonly isListed: () => boolean },
  store: ArtifactStore,
  addresses: SledAddresses,
): Promise<AsyncDisposable> => {
  const stop = new AbortController();
  const { signal } = stop;
  let health = (await store.list()).datasetHealth;
  const registration = createRegistration({
    sledId: config.sledId,
    peers,
    isPlain,
    doubt: () => doubtOf(store.state()),
    isInTouch: () => isListed() && isSettled(store),
    info: () => sledInfo(config, addresses, store, health),
    acceptAnswer: ({ floor, verdicts }) => store.acceptFloor(floor, verdicts),
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
        log.error({ err: error }, 'reconciling failed; the next period retries it');
      }
      if (situation(store, health) !== before) registration.changed();
    }
  };
  const onCondemned = async (): Promise<void> => {
    // A changed registration makes Nexus list the sled, so that the copy is replaced at once.
    health = (await store.list()).datasetHealth;
    registration.changed();
  };
  const watch = store.onCondemned(() => {
    onCondemned().catch(error =>
      log.error({ err: error }, 'registering a bad copy failed; the next period retries it'),
    );
  });
  const decided = statements.onChange(() => {
    store
      .reconcile('a statement of an admin key', { signal })
      .catch(error => signal.aborted || log.error({ err: error }, 'reconciling failed'));
  });
  const running = [registration.run({ signal }), reconcile(), store.scrub.run({ signal })];
  for (const each of running)
    each.catch(error => {
      if (!signal.aborted) log.error({ err: error }, 'upkeep ended');
    });
  return {
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]();
      decided[Symbol.dispose]();
      stop.abort();
      await Promise.allSettled(running);
    },
  };
};

/** A change of these values makes the registration stale. */
const situation = (store: ArtifactStore, health: readonly DatasetHealth[]): string =>
  JSON.stringify([
    store.incarnationId(),
    store.state().kind,
    health.map(({ id, path, state, quarantined, timeLastQuarantinedMs, quotaBytes, ...space }) => [
      id,
      path,
      state,
      quarantined,
      timeLastQuarantinedMs,
      [space.freeBytes, space.reclaimableBytes, space.retainedBytes].map(bytes =>
        Math.floor((SPACE_STEPS * (bytes ?? 0)) / (quotaBytes ?? Number.POSITIVE_INFINITY)),
      ),
    ]),
  ]);

/** Of a quota: an upload is refused by the space that sleds have registered. */
const SPACE_STEPS = 64;

/** Does not change while a process runs. */
const HARDWARE = {
  hardwareThreads: availableParallelism(),
  physicalRamBytes: totalmem(),
};

/** The required identity of any machine. */
const sledInfo = (
  { baseboard }: SledAgentConfig,
  { agent, depotPort }: SledAddresses,
  store: ArtifactStore,
  health: readonly DatasetHealth[],
): Omit<SledRegistration, 'generation'> => ({
  agentAddress: agent,
  depotPort,
  role: 'gimlet',
  baseboard,
  ...HARDWARE,
  reservoirBytes: 0,
  cpuFamily: 'unknown',
  isDecommissioned: false,
  incarnationId: store.incarnationId(),
  datasets: health,
  heads: store.claims(),
});
