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
import { type Pair, type PlanInput, pairKey, type TransferLimits } from '../../core/plan/input.ts';
import { type CopyRequest, IDLE_BEFORE_PUT_MS, type PutRequest } from '../../core/plan/plan-artifact.ts';
import { PREFIX_UNIT_BYTES } from '../../core/prefix-digests.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import type { Logger } from '../../lib/log.ts';
import { requireEntry } from '../../lib/require-entry.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { createPlanTimer, type PlanTimer } from './plan-timer.ts';
import { createPrefixMemory, type PrefixMemory } from './prefix-memory.ts';
import { makeCopy, type RequestDeps, sendPut, type TransferNews, type TransferPlace } from './requests.ts';
import { type Census, createSchedule, type Schedule } from './schedule.ts';

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
export type Found = Point & Omit<Census, 'sleds'> & { readonly sleds: readonly CollectedSled[] };

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
  readonly datastore: Pick<ReleasePort, 'prefixDigests'>;
  readonly log: Logger;
  /** Of the prefix digests in the database; {@link PREFIX_UNIT_BYTES} unless it is given. */
  readonly prefixUnitBytes?: number;
  readonly rng: Rng;
  readonly policy: TransferPolicy;
};

/** While something waits for a place: transfers become overdue, and sleds idle, without an event. */
const TICK_MS = IDLE_BEFORE_PUT_MS;

type State = {
  found: Found | undefined;
  targets: ReadonlyMap<SledId, CollectedSled>;
  readonly schedule: Schedule;
  /** Ends the wait for a transfer that another one replaces (PL13). */
  readonly waits: Map<string, AbortController>;
  /** Promises of the transfers that have not ended, to when they began. */
  readonly running: Map<Promise<void>, number>;
  /** When transfers began to serve what was found. */
  followedMs: number;
  begun: number;
  written: number;
  fault: { readonly error: unknown } | undefined;
  readonly atRest: Set<() => void>;
};

const newState = (): State => ({
  found: undefined,
  targets: new Map(),
  schedule: createSchedule(),
  waits: new Map(),
  running: new Map(),
  followedMs: 0,
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
  const prefixMemory = createPrefixMemory({ ...deps, signal: stop.signal });
  const state = newState();
  const { schedule } = state;
  const timer = createPlanTimer({ clock, signal: stop.signal }, () => {
    try {
      planNow({ ...deps, prefixMemory }, state, begin);
    } catch (error) {
      state.fault = { error };
    }
    if (schedule.isWaiting()) timer.within(TICK_MS);
    tellAtRest(state, timer);
  });

  const begin = (request: PutRequest | CopyRequest, place: TransferPlace): void => {
    const pair: Pair = { sledId: request.target, sha256: request.sha256 };
    const startedMs = clock.monotonicMs();
    schedule.begun(request, startedMs);
    state.begun += 1;
    const order = { place, news: newsOf(state, pair, timer) };
    const wait = waitOf(state, pair);
    const move =
      request.kind === 'put'
        ? sendPut(requests, request, order, stop.signal)
        : makeCopy(requests, request, order, AbortSignal.any([stop.signal, wait.signal]));
    const over = move.then(end => {
      wait[Symbol.dispose]();
      schedule.ended({ ...pair, startedMs }, end, clock.monotonicMs());
      if (end.kind === 'stored') state.written += end.copies;
      state.running.delete(over);
      timer.soon();
    });
    state.running.set(over, startedMs);
  };

  return {
    forPlan: schedule.forPlan,
    follow(found) {
      Object.assign(state, {
        ...{ found, followedMs: clock.monotonicMs() },
        targets: new Map(found.sleds.map(sled => [sled.id, sled])),
      });
      const sleds = found.sleds.map(sled => ({ ...sled, copiesArriving: sled.target.heads !== null }));
      schedule.follow({ ...found, sleds });
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

const planNow = (
  deps: Deps & { readonly prefixMemory: PrefixMemory },
  state: State,
  begin: (request: PutRequest | CopyRequest, place: TransferPlace) => void,
): void => {
  const { clock, memory, staging, policy, rng, prefixMemory, prefixUnitBytes = PREFIX_UNIT_BYTES } = deps;
  const { found, schedule } = state;
  if (found === undefined) return;
  const heldNow = new Set(staging.held().map(({ uploadId }) => uploadId));
  const local = found.local.filter(({ uploadId }) => heldNow.has(uploadId));
  const { puts, copies } = schedule.next({ local, policy, memory, nowMs: clock.monotonicMs() }, rng);
  const requests = [...puts, ...copies];
  if (requests.length === 0) return;
  const marked = requests.filter(({ sizeBytes }) => sizeBytes > prefixUnitBytes); // PXD3
  const prefixes = prefixMemory.of(new Set(marked.map(({ sha256 }) => sha256)));
  const place = placeOf(found, state, prefixes);
  for (const request of requests) begin(request, place);
};

/** Of a transfer; that of the one that it replaces ends. */
const waitOf = ({ waits }: State, pair: Pair): Disposable & { readonly signal: AbortSignal } => {
  const key = pairKey(pair.sledId, pair.sha256);
  waits.get(key)?.abort(new DepotError('COPY_SOURCE', 'another source replaces the one that was too slow'));
  const wait = new AbortController();
  waits.set(key, wait);
  return {
    signal: wait.signal,
    [Symbol.dispose]() {
      if (waits.get(key) === wait) waits.delete(key);
    },
  };
};

const newsOf = ({ schedule }: State, pair: Pair, timer: PlanTimer): TransferNews => ({
  passesOn() {
    schedule.passesOn(pair);
    timer.soon();
  },
  copiesWholeOnly: () => schedule.copiesWholeOnly(pair.sledId),
});

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

const placeOf = (
  { generation, digest }: Point,
  { targets, schedule }: State,
  prefixes: TransferPlace['prefixes'],
): TransferPlace => ({
  ...{ generation, digest, prefixes },
  sled: id => requireEntry(targets, id, 'the sled').target,
  isOlder: schedule.isWholeOnly,
});
