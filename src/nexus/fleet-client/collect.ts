/**
 * Collect: puts the config to every in-service sled at once and asks each what it holds.
 *
 *     per sled: put config ─▶ list ─▶ listing
 *                  └────────────┴──▶ silence, with its reason          then: a later read of the database tells
 *                                                                      a sled that is ahead from one that diverged
 * CO1. Outcomes are taken one by one; a slow or wrong sled becomes a silence, never an error of the round (G8).
 * CO2. Once half of the sleds have answered, the others get a bounded time to do so too.
 * CO3. A sled is diverged only against a read of the database that began after its answer (P7).
 * CO4. A listing counts at the generation of this round's config alone (R1, G4).
 */
import type { ArtifactListResponse } from '../../api/sled-agent-api.ts';
import { type ArtifactHash, type Generation, isArtifactHash, type SledId } from '../../core/ids.ts';
import type { InventorySled, SledListing, SledSilence, Wanted } from '../../core/inventory.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { RequestLog } from '../request-log.ts';
import type { SledConnection, SledTarget } from './sled-connection.ts';
import type { FleetMemory } from './sled-memory.ts';

export type CollectDeps = {
  readonly connection: SledConnection;
  readonly memory: FleetMemory;
  readonly requests: RequestLog;
  readonly clock: Clock;
  readonly limits: CollectLimits;
  /** Reads generation and digest from the database, now. */
  readonly currentGeneration: (wait: {
    signal: AbortSignal;
  }) => Promise<{ generation: Generation; digest: string }>;
};

export type CollectLimits = {
  /** For the config and the list of one sled together. */
  readonly answerTimeoutMs: number;
  /** What the slower half gets after the faster one is done, at least. */
  readonly stragglerGraceMs: number;
};

export const DEFAULT_COLLECT_LIMITS: CollectLimits = { answerTimeoutMs: 15_000, stragglerGraceMs: 5_000 };

/** The digest of a set that a sled does not tell: equal to no other. */
const UNTOLD_DIGEST = 'untold';

/** What a sled said, before it is judged. */
type Claim = { readonly generation: Generation; readonly digest: string | undefined };
export type CollectedSled = InventorySled & {
  readonly target: SledTarget;
  /** The list as answered, for the status; absent for a silent sled. */
  readonly list: ArtifactListResponse | undefined;
};
type Draft = { readonly collected: CollectedSled; readonly claim: Claim | undefined };

export const collect = async (
  deps: CollectDeps,
  round: { readonly wanted: Wanted; readonly digest: string; readonly sleds: readonly SledTarget[] },
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<readonly CollectedSled[]> => {
  const stragglers = new AbortController();
  const began = deps.clock.monotonicMs();
  let answered = 0;
  const drafts = await Promise.all(
    round.sleds.map(async target => {
      const signal = AbortSignal.any([
        options.signal,
        stragglers.signal,
        deps.clock.timeout(deps.limits.answerTimeoutMs),
      ]);
      const draft = await askSled(deps, round, target, { log: options.log, signal });
      answered += 1;
      if (answered === Math.ceil(round.sleds.length / 2)) {
        const graceMs = Math.max(deps.limits.stragglerGraceMs, deps.clock.monotonicMs() - began);
        hurry(deps.clock, graceMs, stragglers, options.signal);
      }
      return draft;
    }),
  ).finally(() => stragglers.abort());
  options.signal.throwIfAborted();
  return judgeClaims(deps, drafts, options);
};

/** CO2: ends the wait for the slower half after its grace. */
const hurry = (clock: Clock, graceMs: number, stragglers: AbortController, signal: AbortSignal): void => {
  const stalled = new DepotError(
    'PEER_STALLED',
    `did not answer within ${graceMs} ms after half of the sleds had`,
  );
  clock.sleep(graceMs, { signal: AbortSignal.any([signal, stragglers.signal]) }).then(
    () => stragglers.abort(stalled),
    () => undefined,
  );
};

const askSled = async (
  deps: CollectDeps,
  round: { readonly wanted: Wanted; readonly digest: string },
  target: SledTarget,
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<Draft> => {
  const { wanted } = round;
  const waiting = deps.memory.sled(target.id).silence;
  if (waiting !== undefined && waiting.untilMs > deps.clock.monotonicMs()) {
    return silent(deps, target, kindOfSilence(waiting.code), waiting);
  }
  let refusal: unknown;
  try {
    await timed(deps, { operation: 'put_config', sledId: target.id, generation: wanted.generation }, () =>
      deps.connection.putConfig(target, wanted, options),
    );
  } catch (error) {
    if (errorCodeOf(error) !== 'CONFIG_GENERATION')
      return failed(deps, target, orStalled(error, options.signal));
    refusal = error;
  }
  try {
    const list = await timed(deps, { operation: 'list', sledId: target.id }, () =>
      deps.connection.list(target, options),
    );
    // Whoever refuses our config at its own generation claims another content, whether or not it says which.
    const isAtOdds = refusal !== undefined && list.generation === wanted.generation;
    if (isAtOdds && list.config_digest === round.digest) {
      const words = `refuses the config of generation ${list.generation} that it lists`;
      return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words, { cause: refusal }));
    }
    const claim = {
      generation: list.generation,
      digest: list.config_digest ?? (isAtOdds ? UNTOLD_DIGEST : undefined),
    };
    if (refusal === undefined && list.generation === wanted.generation) {
      const agrees = claim.digest === undefined || claim.digest === round.digest;
      if (agrees) return listed(deps, target, wanted, list, options.log);
    }
    if (list.generation < wanted.generation) {
      const words = `lists generation ${list.generation} after it was given ${wanted.generation}`;
      return failed(deps, target, new DepotError('PEER_BAD_ANSWER', words, { cause: refusal }));
    }
    deps.memory.sledAnswered(target.id);
    const collected = { ...withoutAnswer(deps, target), list, answer: aheadOf(deps, list, refusal) };
    return { collected, claim };
  } catch (error) {
    return failed(deps, target, orStalled(error, options.signal));
  }
};

/** A wait that this round ended is the sled's silence, whatever the transport calls it. */
const orStalled = (error: unknown, signal: AbortSignal): unknown =>
  signal.aborted && errorCodeOf(error) !== 'PEER_STALLED'
    ? new DepotError('PEER_STALLED', 'did not answer in time', { cause: error })
    : error;

const timed = async <T>(
  deps: CollectDeps,
  facts: { operation: 'put_config' | 'list'; sledId: SledId; generation?: Generation },
  request: () => Promise<T>,
): Promise<T> => {
  const startedMs = deps.clock.nowMs();
  try {
    const answer = await request();
    deps.requests.record({ ...facts, startedMs });
    return answer;
  } catch (error) {
    deps.requests.record({ ...facts, startedMs, error });
    throw error;
  }
};

/** CO3: one read of the database, begun after every claim, judges them all. */
const judgeClaims = async (
  deps: CollectDeps,
  drafts: readonly Draft[],
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<readonly CollectedSled[]> => {
  if (drafts.every(draft => draft.claim === undefined)) return drafts.map(draft => draft.collected);
  const now = await deps.currentGeneration({ signal });
  return drafts.map(({ collected, claim }) => {
    if (claim === undefined) return collected;
    const isAhead = claim.generation > now.generation;
    const differs =
      claim.generation === now.generation && claim.digest !== undefined && claim.digest !== now.digest;
    if (!isAhead && !differs) return collected;
    const message = isAhead
      ? `holds generation ${claim.generation}, the database is at ${now.generation}: the database went back, or the sled is from another fleet; tuf-depot recover generation says what to do`
      : `holds another set of artifacts than the database at the same generation ${now.generation}; tuf-depot recover generation says what to do`;
    log.error({ sled_id: collected.id, claim, database: now }, 'sled has diverged from the database');
    return {
      ...collected,
      answer: { ...(collected.answer as SledSilence), kind: 'diverged', code: 'SLED_DIVERGED', message },
    };
  });
};

const listed = (
  deps: CollectDeps,
  target: SledTarget,
  wanted: Wanted,
  list: ArtifactListResponse,
  log: Logger,
): Draft => {
  deps.memory.sledAnswered(target.id);
  const held = new Map<ArtifactHash, number>();
  for (const [hash, copies] of Object.entries(list.list)) {
    if (!isArtifactHash(hash)) log.error({ sled_id: target.id, hash }, 'sled listed a bogus hash, skipped');
    else if (wanted.artifacts.has(hash) && copies > 0)
      // Datasets that are full or read-only are none that could take more, and have what they have (S16).
      held.set(hash, Math.min(copies, Math.max(1, list.datasets ?? copies)));
  }
  // A sled agent that does not tell has as many datasets as the artifact it holds most often.
  const datasets = list.datasets ?? Math.max(1, ...held.values());
  const copiesInFlight = new Set((list.copies_in_flight ?? []).map(copy => copy.sha256));
  for (const [hash, copies] of held) if (copies >= datasets) deps.memory.transferDone(target.id, hash);
  const faults = (list.dataset_health ?? []).flatMap(({ message }) => message ?? []);
  deps.memory.recopiesEnded(target.id, hash => copiesInFlight.has(hash), faults);
  const answer: SledListing = {
    kind: 'ok',
    held,
    datasets,
    copiesInFlight,
    incarnationId: list.incarnation_id,
  };
  return { collected: { ...withoutAnswer(deps, target), list, answer }, claim: undefined };
};

const withoutAnswer = (deps: CollectDeps, target: SledTarget) => {
  const { pause, distrust } = deps.memory.sled(target.id);
  return {
    id: target.id,
    serial: target.serial,
    target,
    ...(pause === undefined
      ? {}
      : { writesPausedUntilMs: pause.untilMs, writesPausedBecause: pause.because }),
    ...(distrust === undefined ? {} : { isDistrusted: true }),
  };
};

const aheadOf = (deps: CollectDeps, list: ArtifactListResponse, refusal: unknown): SledSilence => ({
  kind: 'ahead',
  code: 'CONFIG_GENERATION',
  message: refusal === undefined ? `moved on to generation ${list.generation}` : messageChain(refusal),
  sinceMs: deps.clock.nowMs(),
});

const failed = (deps: CollectDeps, target: SledTarget, error: unknown): Draft => {
  deps.memory.sledFailed(target.id, error);
  return silent(deps, target, kindOfSilence(errorCodeOf(error)), deps.memory.sled(target.id).silence!);
};

const silent = (
  deps: CollectDeps,
  target: SledTarget,
  kind: SledSilence['kind'],
  { code, because, sinceMs }: { code: string; because: string; sinceMs: number },
): Draft => ({
  collected: {
    ...withoutAnswer(deps, target),
    list: undefined,
    answer: { kind, code, message: because, sinceMs },
  },
  claim: undefined,
});

const kindOfSilence = (code: string): SledSilence['kind'] => {
  if (code === 'PEER_UNREACHABLE' || code === 'PEER_STALLED') return 'unreachable';
  return code === 'PEER_BAD_ANSWER' ? 'bad_answer' : 'refused';
};
