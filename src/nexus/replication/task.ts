/**
 * Replication: every sled receives every artifact of every present release.
 *
 *     database ─▶ wanted set ─▶ collect (sleds) ─▶ transfers ─▶ planReplication() ─▶ local repos ─▶ observation
 *
 * R1. A sled refuses writes at any generation but its own; a refusal never affects the others (G8).
 * R2. A local repo is dropped only after `minSledReplication` sleds list all of it at this round's generation and have proved
 *     it with a random range of each artifact (P9), and if the database agrees in a transaction (P1, G4).
 * R3. Local repos are read before the wanted set (P1), and this Nexus's nonce is written before both: a database that fails
 *     over in between does not have the nonce, and then nothing is dropped (P13).
 * R4. A round says what transfers serve, and waits for them a while; they go on without it. What is retried backs off first,
 *     and a sled that fails is asked again by the next round, which follows sooner while something is in flight (P6).
 */
import type { ElsewhereHeld } from '../../core/health.ts';
import {
  type ArtifactHash,
  type Generation,
  type NexusId,
  type RepoId,
  RoundNonce,
  type SledId,
  type UploadId,
} from '../../core/ids.ts';
import type { LocalRepo } from '../../core/inventory.ts';
import { lookAgain } from '../../core/look-again.ts';
import type { PlanInput } from '../../core/plan/input.ts';
import { isDroppable } from '../../core/plan/local-repos.ts';
import { type Plan, planReplication } from '../../core/plan/plan.ts';
import { copiesHeld } from '../../core/progress.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import { isSilent } from '../background/heartbeat.ts';
import { RELEASE_BUNDLE_TASK } from '../background/release-bundles.ts';
import { PRUNER_TASK } from '../background/repo-pruner.ts';
import { LIVENESS_TASK } from '../background/sled-liveness.ts';
import type { Activation, BackgroundTask, TaskResult } from '../background/task.ts';
import type { LocalRepoPort } from '../datastore/ports/local-repo-port.ts';
import type { NexusPort } from '../datastore/ports/nexus-port.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { WantedSet, WantedSetPort } from '../datastore/ports/wanted-set-port.ts';
import { allRepoArtifacts } from '../datastore/release-artifacts.ts';
import type { Note } from '../history/history.ts';
import type { RequestLog } from '../history/request-log.ts';
import { findLostPoints, mendGeneration } from '../recovery/mend-generation.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { LostSets } from '../releases/upload/lost-sets.ts';
import { collectSleds } from '../sleds/collect.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import { createListingMemory, type ListingMemory } from '../sleds/listing-memory.ts';
import { createLostPointsMemory, type LostPointsMemory } from '../sleds/lost-points.ts';
import { type BundlePusher, createBundlePusher } from '../sleds/push-bundles.ts';
import type { CollectedSled, CollectLimits } from '../sleds/sled-draft.ts';
import { createFleetMemory, type FleetMemory } from '../sleds/sled-memory.ts';
import {
  createTransfers,
  type TransferCounts,
  type TransferPolicy,
  type Transfers,
} from '../transfers/fleet-transfers.ts';
import { dropReplicated, type KeptArchives } from './drop-archives.ts';
import type { ReplicationEvents } from './events/replication-events.ts';
import {
  createObserver,
  foldObservation,
  type Observation,
  type ReplicationObserver,
} from './observation.ts';
import { replicationReport } from './report.ts';
import { noteReports } from './reports.ts';

export const REPLICATION_TASK = 'tuf_artifact_replication';

/** A healthy database takes milliseconds. */
const BEGIN_ROUND_TIMEOUT_MS = 5_000;

export type ReplicationPolicy = {
  readonly periodMs: number;
  /** Turns timers off (S9). */
  readonly disable: boolean;
  readonly minSledReplication: number;
  readonly collectLimits: CollectLimits;
  readonly transfers: Omit<TransferPolicy, 'minSledReplication'>;
};

export type ReplicationDeps = {
  readonly datastore: Pick<WantedSetPort, 'wantedSet' | 'pointsRecorded' | 'generationMend'> &
    Pick<NexusPort, 'nexusBeginRound' | 'nexusList'> &
    Pick<SledPort, 'sledList'> &
    Pick<LocalRepoPort, 'localRepoList'> &
    Pick<ReleasePort, 'repoArtifacts' | 'bundleGet' | 'prefixDigests'>;
  readonly connection: SledConnection;
  readonly staging: Staging;
  readonly requests: RequestLog;
  readonly nexus: { readonly id: NexusId };
  readonly newId: () => string;
  readonly note: Note;
  readonly lost: Pick<LostSets, 'record'>;
  readonly history: Pick<ReplicationEvents, 'listed' | 'observed'>;
  readonly policy: ReplicationPolicy;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Of the prefix digests in the database; `PREFIX_UNIT_BYTES` unless it is given. */
  readonly prefixUnitBytes?: number;
};

export type Replication = {
  readonly task: BackgroundTask;
  readonly observer: ReplicationObserver;
  /** Ends a sled's back-off: it is alive. */
  readonly sledReturned: (id: SledId) => void;
  /** Of the last listing of a sled that is at rest. */
  readonly tagOf: ListingMemory['tag'];
  /** Aborts the puts in flight and waits for them. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export const createReplication = (deps: ReplicationDeps): Replication => {
  const memory = createFleetMemory(deps);
  const listings = createListingMemory(deps);
  const { minSledReplication, transfers: policy } = deps.policy;
  const transfers = createTransfers({ ...deps, memory, policy: { ...policy, minSledReplication } });
  const observer = createObserver();
  const held: State['held'] = { copies: 0, waitMs: 0, generation: undefined };
  const lostPoints = createLostPointsMemory();
  const bundles = createBundlePusher(deps);
  const keptArchives: KeptArchives = new Map();
  return {
    task: {
      name: REPLICATION_TASK,
      description: 'replicate update repo artifacts across sleds',
      periodMs: deps.policy.periodMs,
      disable: deps.policy.disable,
      dependsOn: [LIVENESS_TASK, PRUNER_TASK, RELEASE_BUNDLE_TASK], // B16
      activate: activation =>
        activate(
          deps,
          { memory, listings, transfers, observer, held, lostPoints, bundles, keptArchives },
          activation,
        ),
    },
    observer,
    sledReturned: memory.sledAnswered,
    tagOf: listings.tag,
    async [Symbol.asyncDispose]() {
      await Promise.all([transfers[Symbol.asyncDispose](), bundles[Symbol.asyncDispose]()]);
    },
  };
};

type State = {
  readonly memory: FleetMemory;
  readonly listings: ListingMemory;
  readonly transfers: Transfers;
  readonly observer: ReplicationObserver;
  /** Of the previous round: copies held, its wait (P6), its generation. */
  readonly held: { copies: number; waitMs: number; generation: Generation | undefined };
  /** Of points that the database does not know (LP2). */
  readonly lostPoints: LostPointsMemory;
  readonly bundles: BundlePusher;
  readonly keptArchives: KeptArchives;
};

const activate = async (
  deps: ReplicationDeps,
  state: State,
  { log, signal }: Activation,
): Promise<TaskResult> => {
  const { memory, transfers } = state;
  await deps.staging.reconcile({ signal });
  const local = deps.staging.held();
  const nonce = await beginRound(deps, { log, signal }); // R3
  const wanted = await deps.datastore.wantedSet({ claims: memory.claims(), signal });
  const targets = await inServiceTargets(deps, signal);
  const inService = new Set(targets.map(target => target.id));
  memory.retain(inService, wanted.artifacts);
  state.listings.retain(inService);
  log.info(
    { generation: wanted.generation, releases: wanted.releases.map(r => r.systemVersion) },
    'releases present',
  );

  const { pointsRecorded } = deps.datastore;
  const beganMs = deps.clock.monotonicMs();
  const sleds = await collectSleds(
    {
      ...{ ...deps, memory, listings: state.listings, pointsRecorded },
      limits: deps.policy.collectLimits,
      pushBundles: state.bundles.push,
    },
    { wanted, sleds: targets },
    { log, signal },
  );
  noteReports({ memory, requests: deps.requests, clock: deps.clock }, sleds, log);
  deps.history.listed(sleds);
  const lost = await findLostPoints({ ...deps, memory: state.lostPoints }, sleds, { log, signal });
  deps.lost.record(lost.flatMap(({ artifacts }) => artifacts ?? []));
  const isMended = await mendGeneration(deps, wanted, lost, { log, signal });
  const byId = new Map(targets.map(target => [target.id, target]));
  transfers.follow({ ...wanted, wanted, sleds, local, beganMs });
  const outcome = await transfers.settle({ signal });
  // After the transfers, whose failures it explains; on the listings, which alone count for a drop (R2).
  const plan = planReplication(planInput(deps, state, { wanted, sleds, local }), deps.rng);
  const planned = { ...wanted, nonce };
  const { dropped, reasons: kept } = await dropReplicated(
    { ...deps, memory, kept: state.keptArchives },
    plan,
    planned,
    byId,
    { log, signal },
  );
  const againInMs = whenAgain(deps, state, { wanted, sleds, plan, outcome, dropped, isMended });
  const seen = { wanted, sleds, lost, plan, begun: outcome.begun, dropped, kept };
  const before = state.observer.latest();
  const observation = await observe(deps, { memory, before }, seen, signal);
  state.observer.record(observation);
  deps.history.observed(observation);
  return replicationReport({ observation, observer: state.observer, requests: deps.requests, againInMs });
};

/** A database that has lost the row of this Nexus gets it back with the next heartbeat; nothing is dropped until then. */
const beginRound = async (
  { datastore, nexus, newId, clock }: ReplicationDeps,
  { log, signal }: Pick<Activation, 'log' | 'signal'>,
): Promise<RoundNonce> => {
  const nonce = RoundNonce.parse(newId());
  try {
    const bounded = AbortSignal.any([signal, clock.timeout(BEGIN_ROUND_TIMEOUT_MS)]);
    await datastore.nexusBeginRound(nexus.id, nonce, { signal: bounded });
  } catch (error) {
    // While commits wait for an absent standby a round still collects, puts and copies, but drops nothing.
    signal.throwIfAborted();
    log.warn({ err: error }, 'the nonce of this round is not recorded: this round drops nothing');
  }
  return nonce;
};

const planInput = (
  { policy, clock }: ReplicationDeps,
  { memory, transfers }: State,
  seen: {
    readonly wanted: WantedSet;
    readonly sleds: readonly CollectedSled[];
    readonly local: readonly LocalRepo[];
  },
): PlanInput => ({
  ...seen,
  policy: { minSledReplication: policy.minSledReplication, limits: policy.transfers.limits },
  ...transfers.forPlan(),
  backoff: memory.backoff(),
  routes: memory.routes(),
  nowMs: clock.monotonicMs(),
});

/** P6, and the values for the next round's comparison. */
const whenAgain = (
  { clock }: ReplicationDeps,
  { memory, transfers, held, bundles }: State,
  round: {
    readonly wanted: WantedSet;
    readonly sleds: readonly CollectedSled[];
    readonly plan: Plan;
    readonly outcome: TransferCounts;
    readonly dropped: ReadonlySet<UploadId>;
    readonly isMended: boolean;
  },
): number | undefined => {
  const { sleds, plan, outcome } = round;
  const copies = copiesHeld(round.wanted, sleds);
  const next = lookAgain(
    {
      nowMs: clock.monotonicMs(),
      progress: copies > held.copies || outcome.written > 0,
      deferred: plan.deferred,
      underWay:
        outcome.begun > 0 ||
        transfers.forPlan().underWay.length > 0 ||
        bundles.isUnderWay() ||
        anythingInFlight(sleds) ||
        // A drop that failed, because the wanted set has changed or a sled gave no proof, is retried.
        plan.localRepos.some(verdict => isDroppable(verdict) && !round.dropped.has(verdict.uploadId)) ||
        // A new config makes sleds delete; their next listing reports the deletions (S11).
        held.generation !== round.wanted.generation,
      outdated:
        round.isMended ||
        // What arrived is complete, or an archive is dropped, only by a listing.
        (outcome.isAtRest && outcome.written > 0) ||
        sleds.some(({ answer }) => answer.kind === 'ahead' && answer.refusesSuccessor !== true),
      nextAttemptMs: earliest(plan.nextAttemptMs, memory.nextSledAttemptMs()),
    },
    held.waitMs,
  );
  held.copies = copies;
  held.waitMs = next.waitMs;
  held.generation = round.wanted.generation;
  return next.againInMs;
};

const anythingInFlight = (sleds: readonly CollectedSled[]): boolean =>
  sleds.some(sled => sled.answer.kind === 'ok' && sled.answer.copiesInFlight.size > 0);

const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);

/** Which other Nexus instances hold which artifacts, to distinguish a lost release from one that waits (P8). */
const heldElsewhere = async (
  deps: ReplicationDeps,
  wanted: WantedSet,
  signal: AbortSignal,
): Promise<ElsewhereHeld> => {
  const nexuses = new Map((await deps.datastore.nexusList({ signal })).map(nexus => [nexus.id, nexus]));
  const held = new Map<ArtifactHash, 'here' | 'alive' | 'silent'>();
  for (const repo of await deps.datastore.localRepoList({ signal })) {
    const nexus = nexuses.get(repo.nexusId);
    if (nexus === undefined || nexus.policy === 'expunged') continue;
    const state = nexus.id === deps.staging.nexusId ? 'here' : isSilent(nexus) ? 'silent' : 'alive';
    for (const sha256 of await artifactsOf(deps, repo.repoId, wanted, signal))
      if (state === 'here' || (held.get(sha256) ?? 'silent') === 'silent') held.set(sha256, state);
  }
  return held;
};

/** Also of a deleted release: its archive may have artifacts that another one shares. */
const artifactsOf = async (
  { datastore }: ReplicationDeps,
  repoId: RepoId,
  { releases }: WantedSet,
  signal: AbortSignal,
): Promise<ReadonlySet<ArtifactHash>> => {
  const present = releases.find(release => release.repoId === repoId);
  return present?.artifacts ?? allRepoArtifacts(datastore, repoId, { signal });
};

const observe = async (
  deps: ReplicationDeps,
  { memory, before }: { readonly memory: FleetMemory; readonly before: Observation | undefined },
  seen: Pick<
    Parameters<typeof foldObservation>[0],
    'wanted' | 'sleds' | 'lost' | 'plan' | 'begun' | 'dropped' | 'kept'
  >,
  signal: AbortSignal,
): Promise<Observation> => {
  const needsToKnow = seen.plan.blocked.some(blocked => blocked.code === 'NO_KNOWN_COPY');
  const round = {
    ...seen,
    timeMs: deps.clock.nowMs(),
    monotonicMs: deps.clock.monotonicMs(),
    minSledReplication: deps.policy.minSledReplication,
    elsewhere: needsToKnow ? await heldElsewhere(deps, seen.wanted, signal) : new Map(),
    distrusted: seen.sleds.flatMap(({ id: sledId, serial }) => {
      const { distrust } = memory.sled(sledId);
      return distrust === undefined
        ? []
        : [{ code: 'SLED_BYTES_DIFFER' as const, sledId, serial, ...distrust }];
    }),
  };
  return foldObservation(round, before);
};
