/**
 * Transfers: puts and copies, each begun as soon as there is a place for it.
 *
 *     round ─▶ follow(census) ──────┐
 *     a transfer has ended ─────────┼─▶ what the sleds hold now ─▶ nextTransfers() ─▶ put, or copy ─┐
 *     a place is free after a while ┘                                                               │
 *                  ▲                                                                                │
 *                  └────────────────────────────── stored, failed, unknown ◀────────────────────────┘
 *
 * TRF1. A transfer waits for a place, never for another transfer, and never for a round: they go on while a round collects (G8).
 * TRF2. A pair of sled and artifact is under way once. One whose outcome is unknown, or that is on fewer datasets than it should
 *       be, counts as under way until a census that began later: its listings say what became of it, and which disks are usable (B7).
 * TRF3. A failure backs off as `sled-memory.ts` says. A sled that is unreachable, or at another point, is left out until the next
 *       census: a failing sled costs one request in a round (R4).
 */
import type { Point, SledId } from '../../core/ids.ts';
import type { InventorySled, LocalRepo, Wanted } from '../../core/inventory.ts';
import {
  type Pair,
  type PlanInput,
  pairKey,
  type TransferLimits,
  type TransferUnderWay,
} from '../../core/plan/input.ts';
import { nextTransfers } from '../../core/plan/plan.ts';
import { type CopyRequest, IDLE_BEFORE_PUT_MS, type PutRequest } from '../../core/plan/plan-artifact.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import { requireEntry } from '../../lib/require-entry.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { createHoldings, type Holdings } from './holdings.ts';
import { createPlanTimer, type PlanTimer } from './plan-timer.ts';
import { makeCopy, type RequestDeps, sendPut, type TransferEnd, type TransferPlace } from './requests.ts';
import { createTransferRates, type TransferRates } from './transfer-rates.ts';

export type TransferPolicy = {
  readonly minSledReplication: number;
  readonly limits: TransferLimits;
  /** Copy requests whose sled has not accepted them yet. */
  readonly copyConcurrency: number;
  /** For the answer to a copy request. */
  readonly copyAnswerTimeoutMs: number;
  /** How long a round waits for transfers to end, before it drops archives and reports. */
  readonly roundWaitMs: number;
};

export const DEFAULT_TRANSFER_WAITS = { copyAnswerTimeoutMs: 20_000, roundWaitMs: 10_000 };

/** What a round has found. */
export type Found = Point & {
  readonly wanted: Wanted;
  readonly sleds: readonly CollectedSled[];
  readonly local: readonly LocalRepo[];
  /** On the monotonic clock, before the first sled was asked. */
  readonly beganMs: number;
};

export type TransferCounts = {
  /** Since the last round: transfers that began, and copies on datasets that the sleds confirmed. */
  readonly begun: number;
  readonly written: number;
  /** Nothing that began since is under way, and nothing can begin. */
  readonly isAtRest: boolean;
};

export type Transfers = AsyncDisposable & {
  /** The part of a plan's input that only transfers know. */
  readonly forPlan: () => Pick<PlanInput, 'underWay' | 'idleSinceMs' | 'typicalBytesPerMs'>;
  /** From now on transfers serve what this round has found. */
  readonly follow: (found: Found) => void;
  /** Waits until they are at rest, or as long as a round waits. @throws the error of a plan */
  readonly settle: (options: { readonly signal: AbortSignal }) => Promise<TransferCounts>;
};

type Deps = Omit<RequestDeps, 'asking' | 'copyAnswerTimeoutMs' | 'staging'> & {
  readonly staging: Pick<Staging, 'openArtifact' | 'held'>;
  readonly rng: Rng;
  readonly policy: TransferPolicy;
};

/** While something waits for a place: transfers become overdue, and sleds idle, without an event. */
const TICK_MS = IDLE_BEFORE_PUT_MS;

type Entry = TransferUnderWay & {
  /** Set once its outcome is unknown (TRF2). */
  unknownSinceMs: number | undefined;
};

type State = {
  found: Found | undefined;
  targets: ReadonlyMap<SledId, CollectedSled>;
  readonly holdings: Holdings;
  readonly underWay: Map<string, Entry>;
  /** Promises of the transfers that have not ended, to when they began. */
  readonly running: Map<Promise<void>, number>;
  /** When transfers began to serve what was found. */
  followedMs: number;
  readonly idleSinceMs: Map<SledId, number>;
  readonly rates: TransferRates;
  begun: number;
  written: number;
  fault: { readonly error: unknown } | undefined;
  readonly atRest: Set<() => void>;
};

const newState = (): State => ({
  found: undefined,
  targets: new Map(),
  holdings: createHoldings(),
  underWay: new Map(),
  running: new Map(),
  followedMs: 0,
  idleSinceMs: new Map(),
  rates: createTransferRates(),
  begun: 0,
  written: 0,
  fault: undefined,
  atRest: new Set(),
});

export const createTransfers = (deps: Deps): Transfers => {
  const stop = new AbortController();
  const { clock, policy } = deps;
  const requests: RequestDeps = {
    ...deps,
    asking: createLimiter(policy.copyConcurrency),
    copyAnswerTimeoutMs: policy.copyAnswerTimeoutMs,
  };
  const state = newState();
  const timer = createPlanTimer({ clock, signal: stop.signal }, () => {
    try {
      planNow(deps, state, begin);
    } catch (error) {
      state.fault = { error };
    }
    if (isWaiting(state)) timer.within(TICK_MS);
    tellAtRest(state, timer);
  });

  const begin = (request: PutRequest | CopyRequest, found: Found): void => {
    const { sha256, sizeBytes, target: sledId } = request;
    const source = request.kind === 'put' ? undefined : request.source;
    const key = pairKey(sledId, sha256);
    const startedMs = clock.monotonicMs();
    state.underWay.set(key, { sledId, sha256, source, sizeBytes, startedMs, unknownSinceMs: undefined });
    state.begun += 1;
    const place = placeOf(found, state.targets);
    const move =
      request.kind === 'put'
        ? sendPut(requests, request, place, stop.signal)
        : makeCopy(requests, request, place, stop.signal);
    const over = move.then(end => {
      const endedMs = clock.monotonicMs();
      noteEnd(state, { sledId, sha256 }, end, endedMs);
      if (end.kind === 'stored') state.rates.add(sizeBytes, endedMs - startedMs);
      state.running.delete(over);
      timer.soon();
    });
    state.running.set(over, startedMs);
  };

  return {
    forPlan: () => forPlan(state),
    follow(found) {
      followFound(state, found, clock.monotonicMs());
      timer.soon();
    },
    async settle({ signal }) {
      await untilAtRest({ state, timer, clock }, { waitMs: policy.roundWaitMs, signal });
      signal.throwIfAborted();
      const { fault, begun, written } = state;
      Object.assign(state, { fault: undefined, begun: 0, written: 0 });
      if (fault !== undefined) throw fault.error;
      return { begun, written, isAtRest: isAtRest(state, timer) };
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'this Nexus is stopping'));
      await Promise.all(state.running.keys());
    },
  };
};

const forPlan = ({ underWay, idleSinceMs, rates }: State) => ({
  underWay: [...underWay.values()],
  idleSinceMs,
  typicalBytesPerMs: rates.median(),
});

const followFound = (state: State, found: Found, nowMs: number): void => {
  state.found = found;
  state.followedMs = nowMs;
  state.targets = new Map(found.sleds.map(sled => [sled.id, sled]));
  for (const [key, { unknownSinceMs }] of state.underWay)
    if (unknownSinceMs !== undefined && unknownSinceMs < found.beganMs) state.underWay.delete(key); // TRF2
  state.holdings.follow({
    beganMs: found.beganMs,
    wanted: found.wanted.artifacts,
    sleds: found.sleds,
  });
};

const planNow = (
  { clock, memory, staging, policy, rng }: Deps,
  state: State,
  begin: (request: PutRequest | CopyRequest, found: Found) => void,
): void => {
  const { found, holdings } = state;
  if (found === undefined) return;
  const beganMs = clock.monotonicMs();
  noteIdle(state, beganMs);
  const heldNow = new Set(staging.held().map(({ uploadId }) => uploadId));
  const input: PlanInput = {
    wanted: found.wanted,
    sleds: holdings.sleds().map(sled => withPause(sled, memory)),
    local: found.local.filter(({ uploadId }) => heldNow.has(uploadId)),
    policy,
    ...forPlan(state),
    backoff: memory.backoff(),
    routes: memory.routes(),
    nowMs: beganMs,
  };
  const { puts, copies } = nextTransfers(input, { open: holdings.open(), isShort: holdings.isShort }, rng);
  for (const request of [...puts, ...copies]) begin(request, found);
};

/** Since the census a transfer may have found the sled full, or busy. */
const withPause = (sled: InventorySled, memory: Pick<RequestDeps['memory'], 'sled'>): InventorySled => {
  const { pause } = memory.sled(sled.id);
  if (pause === undefined) return sled;
  return { ...sled, writesPausedUntilMs: pause.untilMs, writesPausedBecause: pause.because };
};

const noteIdle = ({ holdings, underWay, idleSinceMs }: State, nowMs: number): void => {
  const receiving = new Set([...underWay.values()].map(({ sledId }) => sledId));
  for (const { id } of holdings.sleds())
    if (receiving.has(id) || !holdings.isShort(id)) idleSinceMs.delete(id);
    else if (!idleSinceMs.has(id)) idleSinceMs.set(id, nowMs);
  for (const id of idleSinceMs.keys()) if (!holdings.isShort(id)) idleSinceMs.delete(id);
};

const noteEnd = (state: State, pair: Pair, end: TransferEnd, nowMs: number): void => {
  const { sledId, sha256 } = pair;
  const key = pairKey(sledId, sha256);
  const copies = end.kind === 'stored' ? end.copies : undefined;
  const isWhole = end.kind !== 'unknown' && state.holdings.ended(pair, nowMs, copies);
  if (end.kind === 'failed' || isWhole) state.underWay.delete(key);
  else {
    const entry = state.underWay.get(key);
    if (entry !== undefined) entry.unknownSinceMs = nowMs;
  }
  if (end.kind === 'unknown') return;
  if (end.kind === 'stored') state.written += end.copies;
  else if (end.blame === 'sled' || end.blame === 'nobody') state.holdings.leaveOut(sledId); // TRF3
};

/** Something is open, and time alone may give it a place. */
const isWaiting = ({ underWay, holdings }: State): boolean => underWay.size > 0 && holdings.isAnyShort();

/** A transfer of an earlier round keeps no later one waiting: it may be one to a slow sled (G8). */
const isAtRest = ({ running, followedMs }: State, timer: PlanTimer): boolean =>
  !timer.isDue() && [...running.values()].every(startedMs => startedMs < followedMs);

const tellAtRest = (state: State, timer: PlanTimer): void => {
  if (!isAtRest(state, timer)) return;
  for (const tell of state.atRest) tell();
  state.atRest.clear();
};

const untilAtRest = async (
  { state, timer, clock }: { readonly state: State; readonly timer: PlanTimer; readonly clock: Clock },
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<void> => {
  const over = new AbortController();
  const rest = new Promise<void>(resolve => {
    state.atRest.add(resolve);
    if (isAtRest(state, timer)) resolve();
    over.signal.addEventListener('abort', () => state.atRest.delete(resolve), { once: true });
  });
  const patience = clock.sleep(waitMs, { signal: AbortSignal.any([signal, over.signal]) });
  await Promise.race([rest, patience.catch(() => undefined)]);
  over.abort();
};

const placeOf = ({ generation, digest }: Point, sleds: State['targets']): TransferPlace => ({
  generation,
  digest,
  sled: id => requireEntry(sleds, id, 'the sled').target,
});
