/**
 * The requests that move artifacts, and how they end: a put when the sled has stored it, a copy when the sled says so.
 *
 *     prefix digests ─▶ put ───────────────────────────────────────────▶ stored, or failed
 *     prefix digests ─▶ copy ─▶ accepted ─▶ outcome, asked again and again ─▶ stored, or failed
 *                                        └─▶ a sled agent that only lists it: `unknown`, and the next round knows
 *
 * TRQ1. Every outcome is recorded in the request log, and in the memory of sleds that back-offs come from.
 * TRQ2. A sled that lost its copies by a restart, or does not answer, leaves the outcome unknown: a listing decides.
 * TRQ3. Before a transfer the sled receives the prefix digests of its artifact, if it has some: from then on it passes on what it has
 *      verified (PL11). An older sled receives artifacts without them, and copies none from a sled that still receives it.
 */
import type { ArtifactHash, Generation, Point, SledId } from '../../core/ids.ts';
import type { CopyRequest, PutRequest } from '../../core/plan/plan-artifact.ts';
import type { PrefixDigests } from '../../core/prefix-digests.ts';
import type { CopyOutcome } from '../../core/sled-report.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { Limiter } from '../../lib/limiter.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { RequestLog } from '../history/request-log.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { Blame, FleetMemory } from '../sleds/sled-memory.ts';

/** Below the time after which a client gives an answer up. */
const OUTCOME_WAIT_MS = 30_000;
/** Any other error comes from the sled. */
const NO_ANSWER: ReadonlySet<string> = new Set([
  ...['PEER_UNREACHABLE', 'PEER_STALLED', 'PEER_IDENTITY', 'SHUTTING_DOWN'],
]);

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
export type TransferPlace = Point & {
  readonly sled: (id: SledId) => SledTarget;
  /** Of the artifacts that are transferred. Never rejects. */
  readonly prefixes: Promise<ReadonlyMap<ArtifactHash, PrefixDigests>>;
  /** Whether a sled is known to take no prefix digests. */
  readonly isOlder: (id: SledId) => boolean;
};

/** What becomes known before a transfer ends. */
export type TransferNews = {
  /** The sled passes on what it has verified from now on. */
  readonly passesOn: () => void;
  /** The sled does not know of artifacts that their source still receives. */
  readonly copiesWholeOnly: () => void;
};

/** Never rejects. */
export const sendPut = async (
  deps: RequestDeps,
  put: PutRequest,
  { place, news }: { readonly place: TransferPlace; readonly news: TransferNews },
  stop: AbortSignal,
): Promise<TransferEnd> => {
  const target = place.sled(put.target);
  const { sha256, sizeBytes } = put;
  const facts = { operation: 'put', sledId: put.target, sha256, generation: place.generation } as const;
  const startedMs = deps.clock.nowMs();
  try {
    const told = await tellPrefixes(deps, put, place, stop);
    if (told === 'older') news.copiesWholeOnly();
    await using artifact = await deps.staging.openArtifact(put.uploadId, sha256);
    if (told === 'told') news.passesOn();
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
  { place, news }: { readonly place: TransferPlace; readonly news: TransferNews },
  stop: AbortSignal,
): Promise<TransferEnd> => {
  const target = place.sled(copy.target);
  const order = await orderCopy(deps, copy, place, stop);
  if (order === 'withdrawn') {
    news.copiesWholeOnly();
    return { kind: 'failed', blame: 'transfer' };
  }
  if (order.blame !== undefined) return { kind: 'failed', blame: order.blame };
  if (order.told === 'told') news.passesOn();
  if (order.told === 'older') news.copiesWholeOnly();
  const outcome = await waitForEnd(deps, copy, target, stop);
  // Whether the sled lacks it still, and why, is in its list (M4).
  if (outcome.kind === 'stored') return { kind: 'stored', copies: outcome.successfulWrites };
  if (outcome.kind === 'failed')
    return { kind: 'failed', blame: deps.memory.copyFailed(copy.target, outcome, copy.source) };
  return { kind: 'unknown' };
};

type Told = 'told' | 'untold' | 'older';

/** TRQ3. @throws if the sled does not answer: neither would it answer the transfer */
const tellPrefixes = async (
  { connection, clock, copyAnswerTimeoutMs }: RequestDeps,
  { sha256, sizeBytes, target }: CopyRequest | PutRequest,
  place: TransferPlace,
  stop: AbortSignal,
): Promise<Told> => {
  const sled = place.sled(target);
  if (sled.heads === null || place.isOlder(target)) return 'older';
  const prefixes = (await place.prefixes).get(sha256);
  if (prefixes === undefined) return 'untold';
  const signal = AbortSignal.any([stop, clock.timeout(copyAnswerTimeoutMs)]);
  try {
    await connection.tellPrefixes(sled, { sha256, sizeBytes, prefixes }, { signal });
    return 'told';
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === 'NOT_FOUND') return 'older';
    if (NO_ANSWER.has(code)) throw error;
    return 'untold';
  }
};

/** Resolves when the sled has begun to copy, or with whom to blame. Withdrawn: the sled cannot copy what arrives (TRQ3). */
const orderCopy = async (
  deps: RequestDeps,
  copy: CopyRequest,
  place: TransferPlace,
  stop: AbortSignal,
): Promise<'withdrawn' | { readonly told: Told; readonly blame?: never } | { readonly blame: Blame }> => {
  const { sha256, target: sledId, source: sourceSledId, recopy, arriving } = copy;
  const [target, source] = [place.sled(sledId), place.sled(sourceSledId)];
  const facts = { operation: 'copy', sledId, sha256, sourceSledId, generation: place.generation } as const;
  let startedMs = deps.clock.nowMs();
  let timeout: AbortSignal | undefined;
  try {
    const told = await tellPrefixes(deps, copy, place, stop);
    if (arriving && told !== 'told') return 'withdrawn';
    await deps.asking.run(
      () => {
        startedMs = deps.clock.nowMs();
        timeout = deps.clock.timeout(deps.copyAnswerTimeoutMs);
        const signal = AbortSignal.any([stop, timeout]);
        const order = { sha256, ...pointFor(target, place), source, isArriving: arriving };
        return deps.connection.copy(target, order, { signal });
      },
      { signal: stop },
    );
    deps.memory.copyAccepted(sledId, sha256, { id: sourceSledId, isArriving: arriving });
    if (recopy) deps.memory.recopyAccepted(sledId, sha256);
    deps.requests.record({ ...facts, startedMs });
    return { told };
  } catch (cause) {
    const error = timeout?.aborted === true ? unanswered(deps.copyAnswerTimeoutMs, cause) : cause;
    const blame = deps.memory.transferFailed(sledId, sha256, error, {
      id: sourceSledId,
      isArriving: arriving,
    });
    deps.requests.record({ ...facts, startedMs, error });
    return { blame };
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
