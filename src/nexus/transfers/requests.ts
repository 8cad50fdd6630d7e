/**
 * The requests that move artifacts, and how they end: a put when the sled has stored it, a copy when the sled says so.
 *
 *     put ────────────────────────────────────────────▶ stored, or failed
 *     copy ─▶ accepted ─▶ outcome, asked again and again ─▶ stored, or failed
 *                      └─▶ a sled agent that only lists it: `unknown`, and the next round knows
 *
 * TRQ1. Every outcome is recorded in the request log, and in the memory of sleds that back-offs come from.
 * TRQ2. A sled that lost its copies by a restart, or does not answer, leaves the outcome unknown: a listing decides.
 */
import type { Generation, Point, SledId } from '../../core/ids.ts';
import type { CopyRequest, PutRequest } from '../../core/plan/plan-artifact.ts';
import type { CopyOutcome } from '../../core/sled-report.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Limiter } from '../../lib/limiter.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { RequestLog } from '../history/request-log.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { Blame, FleetMemory } from '../sleds/sled-memory.ts';

/** Below the time after which a client gives an answer up. */
const OUTCOME_WAIT_MS = 30_000;

export type TransferEnd =
  | { readonly kind: 'stored'; readonly copies: number }
  | { readonly kind: 'failed'; readonly blame: Blame }
  /** A copy that may be in flight: the sled cannot tell, or did not. */
  | { readonly kind: 'unknown' };

export type RequestDeps = {
  readonly connection: SledConnection;
  readonly staging: Pick<Staging, 'openArtifact'>;
  readonly memory: FleetMemory;
  readonly requests: RequestLog;
  readonly clock: Clock;
  /** Copy requests that have not been accepted yet. */
  readonly asking: Limiter;
  /** For the answer to a copy request. */
  readonly copyAnswerTimeoutMs: number;
};

/** Where and at which point a transfer takes place. */
export type TransferPlace = Point & { readonly sled: (id: SledId) => SledTarget };

/** Never rejects. */
export const sendPut = async (
  deps: RequestDeps,
  put: PutRequest,
  place: TransferPlace,
  stop: AbortSignal,
): Promise<TransferEnd> => {
  const target = place.sled(put.target);
  const { sha256, sizeBytes } = put;
  const facts = { operation: 'put', sledId: put.target, sha256, generation: place.generation } as const;
  const startedMs = deps.clock.nowMs();
  try {
    await using artifact = await deps.staging.openArtifact(put.uploadId, sha256);
    const chunks = artifact.chunks({ signal: stop });
    const { successfulWrites } = await deps.connection.put(
      target,
      { sha256, ...pointFor(target, place), sizeBytes, chunks },
      { signal: stop },
    );
    deps.memory.transferDone(put.target, sha256);
    deps.requests.record({ ...facts, startedMs });
    return { kind: 'stored', copies: successfulWrites };
  } catch (error) {
    const blame = deps.memory.transferFailed(put.target, sha256, error);
    deps.requests.record({ ...facts, startedMs, error });
    return { kind: 'failed', blame };
  }
};

/** Never rejects. */
export const makeCopy = async (
  deps: RequestDeps,
  copy: CopyRequest,
  place: TransferPlace,
  stop: AbortSignal,
): Promise<TransferEnd> => {
  const target = place.sled(copy.target);
  const refused = await orderCopy(deps, copy, { target, source: place.sled(copy.source), place }, stop);
  if (refused !== undefined) return { kind: 'failed', blame: refused };
  const outcome = await waitForEnd(deps, copy, target, stop);
  // Whether the sled lacks it still, and why, is in its list (M4).
  if (outcome.kind === 'stored') return { kind: 'stored', copies: outcome.successfulWrites };
  if (outcome.kind === 'failed')
    return { kind: 'failed', blame: deps.memory.copyFailed(copy.target, outcome, copy.source) };
  return { kind: 'unknown' };
};

/** Resolves with whom to blame, or without when the sled has begun to copy. */
const orderCopy = async (
  deps: RequestDeps,
  { sha256, target: sledId, source: sourceSledId, recopy }: CopyRequest,
  { target, source, place }: { target: SledTarget; source: SledTarget; place: TransferPlace },
  stop: AbortSignal,
): Promise<Blame | undefined> => {
  const facts = { operation: 'copy', sledId, sha256, sourceSledId, generation: place.generation } as const;
  let startedMs = deps.clock.nowMs();
  let timeout: AbortSignal | undefined;
  try {
    await deps.asking.run(
      () => {
        startedMs = deps.clock.nowMs();
        timeout = deps.clock.timeout(deps.copyAnswerTimeoutMs);
        const signal = AbortSignal.any([stop, timeout]);
        return deps.connection.copy(target, { sha256, ...pointFor(target, place), source }, { signal });
      },
      { signal: stop },
    );
    deps.memory.copyAccepted(sledId, sha256, sourceSledId);
    if (recopy) deps.memory.recopyAccepted(sledId, sha256);
    deps.requests.record({ ...facts, startedMs });
    return undefined;
  } catch (cause) {
    const error = timeout?.aborted === true ? unanswered(deps.copyAnswerTimeoutMs, cause) : cause;
    const blame = deps.memory.transferFailed(sledId, sha256, error, sourceSledId);
    deps.requests.record({ ...facts, startedMs, error });
    return blame;
  }
};

/** TRQ2 */
const waitForEnd = async (
  { connection }: RequestDeps,
  { sha256 }: CopyRequest,
  target: SledTarget,
  signal: AbortSignal,
): Promise<CopyOutcome> => {
  // A sled agent of the original, which compares no points, only lists copies, or not even that.
  if (target.heads === null) return { kind: 'unknown' };
  try {
    for (;;) {
      const outcome = await connection.copyOutcome(target, { sha256, waitMs: OUTCOME_WAIT_MS }, { signal });
      if (outcome.kind !== 'in_flight') return outcome;
    }
  } catch {
    return { kind: 'unknown' };
  }
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
