/**
 * Which transfers begin next: what a round has found, what is under way, and what has ended since, without the requests
 * themselves. `fleet-transfers.ts` carries them out; `bench/schedule.ts` runs this schedule over modelled links.
 *
 *     follow(what was found) ─┐
 *     begun, passesOn ────────┼─▶ holdings, under way, idle sleds, rates ─▶ next() ─▶ puts and copies
 *     ended ──────────────────┘
 */
import type { SledId } from '../../core/ids.ts';
import type { InventorySled, LocalRepo, Wanted } from '../../core/inventory.ts';
import { type Pair, type PlanInput, pairKey, type TransferUnderWay } from '../../core/plan/input.ts';
import { type NextTransfers, nextTransfers } from '../../core/plan/plan.ts';
import type { CopyRequest, PutRequest } from '../../core/plan/plan-artifact.ts';
import type { Rng } from '../../core/rng.ts';
import type { FleetMemory } from '../sleds/sled-memory.ts';
import { createHoldings, type Holdings } from './holdings.ts';
import type { TransferEnd } from './requests.ts';
import { createTransferRates, type TransferRates } from './transfer-rates.ts';

/** What a round has found. */
export type Census = {
  readonly wanted: Wanted;
  readonly sleds: readonly InventorySled[];
  readonly local: readonly LocalRepo[];
  /** On the monotonic clock, before the first sled was asked. */
  readonly beganMs: number;
};

/** What may have changed since the last census. */
export type Now = Pick<PlanInput, 'local' | 'policy' | 'nowMs'> & {
  readonly memory: Pick<FleetMemory, 'backoff' | 'routes' | 'sled'>;
};

export type Schedule = {
  readonly follow: (census: Census) => void;
  /** What can begin now; the caller begins it. */
  readonly next: (now: Now, rng: Rng) => NextTransfers;
  /** It replaces one of the same pair, whose end then counts for nothing (PL13). */
  readonly begun: (request: PutRequest | CopyRequest, nowMs: number) => void;
  /** From now on its sled passes on what it has verified (PL11). */
  readonly passesOn: (pair: Pair) => void;
  /** Until the next census it copies only from sleds that have all of an artifact. */
  readonly copiesWholeOnly: (id: SledId) => void;
  readonly isWholeOnly: (id: SledId) => boolean;
  readonly ended: (transfer: Begun, end: TransferEnd, nowMs: number) => void;
  /** The part of a plan's input that only transfers know. */
  readonly forPlan: () => Pick<PlanInput, 'underWay' | 'idleSinceMs' | 'typicalBytesPerMs'>;
  /** Something is open, and time alone may give it a place. */
  readonly isWaiting: () => boolean;
};

type Begun = Pair & Pick<TransferUnderWay, 'startedMs'>;

type Entry = TransferUnderWay & {
  passesOn: boolean;
  /** Set once its outcome is unknown (TRF2). */
  unknownSinceMs: number | undefined;
};

type State = {
  wanted: Wanted | undefined;
  readonly holdings: Holdings;
  readonly underWay: Map<string, Entry>;
  readonly idleSinceMs: Map<SledId, number>;
  readonly rates: TransferRates;
  readonly wholeOnly: Set<SledId>;
};

export const createSchedule = (): Schedule => {
  const state: State = {
    wanted: undefined,
    holdings: createHoldings(),
    underWay: new Map(),
    idleSinceMs: new Map(),
    rates: createTransferRates(),
    wholeOnly: new Set(),
  };
  const { holdings, underWay, wholeOnly } = state;
  return {
    follow: census => followCensus(state, census),
    next(now, rng) {
      const { wanted } = state;
      if (wanted === undefined) return { puts: [], copies: [] };
      noteIdle(state, now.nowMs);
      const { memory, ...rest } = now;
      const sleds = holdings.sleds().map(sled => asNow(sled, { memory, wholeOnly }));
      const input = { ...rest, wanted, sleds, ...forPlan(state) };
      const remembered = { backoff: memory.backoff(), routes: memory.routes() };
      const shortfall = { open: holdings.open(), isShort: holdings.isShort };
      return nextTransfers({ ...input, ...remembered }, shortfall, rng);
    },
    begun(request, nowMs) {
      const { sha256, sizeBytes, target: sledId } = request;
      const source = request.kind === 'put' ? undefined : request.source;
      const arriving = request.kind === 'copy' && request.arriving;
      const entry = { sledId, sha256, source, sizeBytes, arriving, startedMs: nowMs, passesOn: false };
      underWay.set(pairKey(sledId, sha256), { ...entry, unknownSinceMs: undefined });
    },
    passesOn({ sledId, sha256 }) {
      const entry = underWay.get(pairKey(sledId, sha256));
      if (entry !== undefined && entry.unknownSinceMs === undefined) entry.passesOn = true;
    },
    copiesWholeOnly: id => void wholeOnly.add(id),
    isWholeOnly: id => wholeOnly.has(id),
    ended: (transfer, end, nowMs) => noteEnd(state, transfer, end, nowMs),
    forPlan: () => forPlan(state),
    isWaiting: () => underWay.size > 0 && holdings.isAnyShort(),
  };
};

const forPlan = ({ underWay, idleSinceMs, rates }: State) => ({
  underWay: [...underWay.values()],
  idleSinceMs,
  typicalBytesPerMs: rates.median(),
});

const followCensus = (state: State, { wanted, sleds, beganMs }: Census): void => {
  state.wanted = wanted;
  state.wholeOnly.clear();
  for (const [key, { unknownSinceMs }] of state.underWay)
    if (unknownSinceMs !== undefined && unknownSinceMs < beganMs) state.underWay.delete(key); // TRF2
  state.holdings.follow({ beganMs, wanted: wanted.artifacts, sleds });
};

/** Since the census a transfer may have found the sled full, busy, or of an older version. */
const asNow = (
  sled: InventorySled,
  { memory, wholeOnly }: Pick<State, 'wholeOnly'> & { readonly memory: Pick<FleetMemory, 'sled'> },
): InventorySled => {
  const { pause } = memory.sled(sled.id);
  const isOlder = wholeOnly.has(sled.id);
  if (pause === undefined && !isOlder) return sled;
  return {
    ...sled,
    ...(pause && { writesPausedUntilMs: pause.untilMs, writesPausedBecause: pause.because }),
    ...(isOlder && { copiesArriving: false }),
  };
};

const noteIdle = ({ holdings, underWay, idleSinceMs }: State, nowMs: number): void => {
  const receiving = new Set([...underWay.values()].map(({ sledId }) => sledId));
  for (const { id } of holdings.sleds())
    if (receiving.has(id) || !holdings.isShort(id)) idleSinceMs.delete(id);
    else if (!idleSinceMs.has(id)) idleSinceMs.set(id, nowMs);
  for (const id of idleSinceMs.keys()) if (!holdings.isShort(id)) idleSinceMs.delete(id);
};

const noteEnd = (state: State, { startedMs, ...pair }: Begun, end: TransferEnd, nowMs: number): void => {
  const { sledId, sha256 } = pair;
  const key = pairKey(sledId, sha256);
  const entry = state.underWay.get(key);
  if (entry !== undefined && entry.startedMs !== startedMs) return;
  if (end.kind === 'stored' && entry !== undefined) state.rates.add(entry.sizeBytes, nowMs - entry.startedMs);
  const copies = end.kind === 'stored' ? end.copies : undefined;
  const isWhole = end.kind !== 'unknown' && state.holdings.ended(pair, nowMs, copies);
  if (end.kind === 'failed' || isWhole) state.underWay.delete(key);
  else if (entry !== undefined) {
    entry.unknownSinceMs = nowMs;
    entry.passesOn = false;
  }
  if (end.kind !== 'failed') return;
  if (end.blame === 'sled' || end.blame === 'nobody') state.holdings.leaveOut(sledId); // TRF3
};
