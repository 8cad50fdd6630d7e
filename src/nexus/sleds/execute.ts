/**
 * Execute: sends the requests of a plan within limits, and handles their outcomes one by one.
 *
 *     puts ───────────────┬─▶ outcome ─▶ memory, request log
 *     copies ─────────────┤
 *     copies after a put ─┘ (wait for the puts of their own artifact only)
 *
 * E1. A request never waits for one to another sled, except for a free slot of `concurrency` (G8).
 * E2. After the budget no request is started. A put in flight continues in the background; the next plan knows it, and
 *     it is counted when it ends.
 * E3. A copy after a put uses a target whose put succeeded; without one, the next round plans it again (B8).
 */
import type { ArtifactHash, Generation, Point, SledId } from '../../core/ids.ts';
import { type Pair, pairKey } from '../../core/plan/input.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { CopyRequest, PutRequest } from '../../core/plan/plan-artifact.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { createLimiter, type Limiter } from '../../lib/limiter.ts';
import { requireEntry } from '../../lib/require-entry.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { RequestLog } from '../history/request-log.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { FleetMemory } from './sled-memory.ts';

export type ExecuteLimits = {
  /** Puts being sent at once: the control plane's uplink is shared by all of them. */
  readonly putConcurrency: number;
  /** Copies being requested at once; each ends when the source has begun to send. */
  readonly copyConcurrency: number;
  readonly budgetMs: number;
  /** For the answer to a copy request. */
  readonly copyAnswerTimeoutMs: number;
};

export const DEFAULT_EXECUTE_LIMITS: ExecuteLimits = {
  putConcurrency: 8,
  copyConcurrency: 32,
  budgetMs: 10_000,
  copyAnswerTimeoutMs: 20_000,
};

export type ExecuteOutcome = {
  /** Copies on datasets that the sleds confirmed in this round: progress (P6). */
  readonly written: number;
  readonly sent: number;
  /** Planned, but not started within the budget. */
  readonly notStarted: number;
};

export type Executor = {
  readonly execute: (
    plan: Plan,
    round: Point & { readonly sleds: ReadonlyMap<SledId, SledTarget> },
    options: { readonly signal: AbortSignal },
  ) => Promise<ExecuteOutcome>;
  readonly putsInFlight: () => readonly Pair[];
  /** Aborts the requests in flight and waits for them. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Deps = {
  readonly connection: SledConnection;
  readonly staging: Pick<Staging, 'openArtifact'>;
  readonly memory: FleetMemory;
  readonly requests: RequestLog;
  readonly clock: Clock;
  readonly limits: ExecuteLimits;
};

type Round = Point & {
  readonly sleds: ReadonlyMap<SledId, SledTarget>;
  /** Ends what has not started. */
  readonly start: AbortSignal;
  readonly count: { written: number; sent: number };
};

type PutAttempt = { readonly target: SledId; readonly stored: Promise<boolean> };

export const createExecutor = (deps: Deps): Executor => {
  const stop = new AbortController();
  const puts = createLimiter(deps.limits.putConcurrency);
  const copies = createLimiter(deps.limits.copyConcurrency);
  const inFlight = new Map<string, { readonly pair: Pair; readonly done: Promise<unknown> }>();
  const copying = new Set<Promise<void>>();

  /** True when the sled stored it. Never rejects. */
  const track = (put: PutRequest, round: Round): Promise<boolean> => {
    const done = started(puts, round.start, async () => {
      const key = pairKey(put.target, put.sha256);
      const sending = sendPut(deps, put, round, stop.signal);
      inFlight.set(key, { pair: { sledId: put.target, sha256: put.sha256 }, done: sending });
      try {
        return await sending;
      } finally {
        inFlight.delete(key);
      }
    });
    return done.then(stored => stored === true);
  };

  /** Never rejects. */
  const trackCopy = (copy: CopyRequest, puts: readonly PutAttempt[], round: Round): Promise<void> => {
    const done = requestCopy(deps, { copies, stop: stop.signal }, copy, puts, round);
    copying.add(done);
    return done.finally(() => copying.delete(done));
  };

  return {
    async execute(plan, { generation, digest, sleds }, { signal }) {
      const budget = new AbortController();
      const round: Round = {
        generation,
        digest,
        sleds,
        start: AbortSignal.any([signal, budget.signal]),
        count: { written: 0, sent: 0 },
      };
      const sent = new Map<ArtifactHash, PutAttempt[]>();
      for (const put of plan.puts) {
        const attempt = { target: put.target, stored: track(put, round) };
        sent.set(put.sha256, [...(sent.get(put.sha256) ?? []), attempt]);
      }
      const everything = Promise.all([
        ...[...sent.values()].flat().map(attempt => attempt.stored),
        ...plan.copies.map(copy => trackCopy(copy, sent.get(copy.sha256) ?? [], round)),
      ]);
      await Promise.race([
        everything,
        deps.clock.sleep(deps.limits.budgetMs, { signal: round.start }).catch(() => undefined),
      ]);
      budget.abort(new DepotError('SHUTTING_DOWN', 'the round is over'));
      signal.throwIfAborted();
      const planned = plan.puts.length + plan.copies.length;
      return { ...round.count, notStarted: planned - round.count.sent };
    },
    putsInFlight: () => [...inFlight.values()].map(({ pair }) => pair),
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'this Nexus is stopping'));
      await Promise.all([...copying, ...[...inFlight.values()].map(({ done }) => done)]);
    },
  };
};

/** Runs work in its turn; undefined when the round ended before that. */
const started = async <T>(
  limiter: Limiter,
  start: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> => {
  try {
    return await limiter.run(
      () => {
        start.throwIfAborted();
        return work();
      },
      { signal: start },
    );
  } catch (error) {
    if (start.aborted) return undefined;
    throw error;
  }
};

const sendPut = async (deps: Deps, put: PutRequest, round: Round, stop: AbortSignal): Promise<boolean> => {
  const target = requireEntry(round.sleds, put.target, 'the sled');
  const { sha256, sizeBytes } = put;
  const facts = { operation: 'put', sledId: put.target, sha256, generation: round.generation } as const;
  const startedMs = deps.clock.nowMs();
  round.count.sent += 1;
  try {
    await using artifact = await deps.staging.openArtifact(put.uploadId, sha256);
    const chunks = artifact.chunks({ signal: stop });
    const stored = await deps.connection.put(
      target,
      { sha256, ...pointFor(target, round), sizeBytes, chunks },
      { signal: stop },
    );
    round.count.written += stored.successfulWrites;
    deps.memory.transferDone(put.target, sha256);
    deps.requests.record({ ...facts, startedMs });
    return true;
  } catch (error) {
    deps.memory.transferFailed(put.target, sha256, error);
    deps.requests.record({ ...facts, startedMs, error });
    return false;
  }
};

const requestCopy = async (
  deps: Deps,
  { copies, stop }: { readonly copies: Limiter; readonly stop: AbortSignal },
  copy: CopyRequest,
  puts: readonly PutAttempt[],
  round: Round,
): Promise<void> => {
  const sourceId =
    copy.source.kind === 'sled' ? copy.source.sledId : await firstStored(copy.source.sledId, puts, round);
  if (sourceId === undefined) return;
  await started(copies, round.start, async () => {
    const facts = {
      operation: 'copy',
      sledId: copy.target,
      sha256: copy.sha256,
      sourceSledId: sourceId,
      generation: round.generation,
    } as const;
    const target = requireEntry(round.sleds, copy.target, 'the sled');
    const source = requireEntry(round.sleds, sourceId, 'the sled');
    const startedMs = deps.clock.nowMs();
    round.count.sent += 1;
    const timeout = deps.clock.timeout(deps.limits.copyAnswerTimeoutMs);
    try {
      await deps.connection.copy(
        target,
        { sha256: copy.sha256, ...pointFor(target, round), source },
        { signal: AbortSignal.any([stop, timeout]) },
      );
      deps.memory.copyAccepted(copy.target, copy.sha256, sourceId);
      if (copy.recopy) deps.memory.recopyAccepted(copy.target, copy.sha256);
      deps.requests.record({ ...facts, startedMs });
    } catch (cause) {
      const error = timeout.aborted ? unanswered(deps.limits.copyAnswerTimeoutMs, cause) : cause;
      deps.memory.transferFailed(copy.target, copy.sha256, error, sourceId);
      deps.requests.record({ ...facts, startedMs, error });
    }
  });
};

/** A sled that compares points stores what is sent for its own point alone (P13). */
const pointFor = (
  { heads }: SledTarget,
  { generation, digest }: Point,
): { generation: Generation; digest: string | undefined } => ({
  generation,
  digest: heads === null ? undefined : digest,
});

/** The source or the sled may be at fault, so only this copy backs off. */
const unanswered = (timeoutMs: number, cause: unknown): DepotError =>
  new DepotError('COPY_SOURCE', `no source had begun to send within ${timeoutMs / 1000} s`, { cause });

/** E3: the preferred target if its put succeeded, else another whose did. */
const firstStored = async (
  preferred: SledId,
  puts: readonly PutAttempt[],
  round: Round,
): Promise<SledId | undefined> => {
  const ordered = puts.toSorted((a, b) => Number(b.target === preferred) - Number(a.target === preferred));
  for (const { target, stored } of ordered) {
    if (await stored) return target;
    if (round.start.aborted) return undefined;
  }
  return undefined;
};
