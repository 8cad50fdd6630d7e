/**
 * Copies: one artifact from another sled's Repo Depot into the store, in the background.
 *
 *     request ─▶ writer ─▶ source begins to answer ─▶ 202 … chunks ─▶ commit ─▶ counted, or recorded as failed
 *
 * CY1. The request is answered when the source has begun to send a file of the right length (P10), so that the requester
 *      can replace a dead source; the later outcome is in the listing (B7). A source that announces no length is judged by what
 *      it sends.
 * CY2. At most one copy of a hash is in flight; a second request joins the first.
 * CY3. A copy ends: its source has a deadline on progress (B13), and it is not retried here (P6).
 * CY4. The store checks the hash (G5): a source is never trusted.
 * CY5. How a copy ended is known until enough later ones have ended: a requester that waits for the end of its copy learns it.
 * CY6. A copy of an artifact that its source is still receiving is one request too, whose bytes come as the source verifies them: the
 *      deadline on progress ends it when the source has nothing new.
 * CY7. Such a copy may be as slow as any sled before its source. An order to copy from a sled that has all of the artifact replaces it, in
 *      its slot, and a put that is stored ends it.
 */
import { depotArrivingUrl } from '../api/arriving-api.ts';
import { depotArtifactUrl } from '../api/depot-api.ts';
import type { ArtifactHash, Generation, SledId } from '../core/ids.ts';
import type { CopyFailure, CopyInFlight, CopyOutcome, PutResult } from '../core/sled-report.ts';
import type { Claimant } from '../http/places.ts';
import type { ProgressDeadline } from '../http/progress.ts';
import type { RawAnswer } from '../http/raw-get.ts';
import type { Clock } from '../lib/clock.ts';
import { DepotError, errorCodeOf, messageChain } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type CopyRecord, createCopyRecord } from './copy-record.ts';
import type { Slots } from './slots.ts';
import type { ArtifactStore, ArtifactWriter } from './store/store.ts';

type CopyRequest = {
  readonly sha256: ArtifactHash;
  readonly generation: Generation;
  /** Of the wanted set at that generation, compared where it is given (P13). */
  readonly digest?: string | undefined;
  readonly depotBaseUrl: string;
  readonly sourceId?: SledId | undefined;
  /** The source has no identity, and an admin approved it to serve plain HTTP. */
  readonly isPlainSource?: boolean;
  /** The source may still be receiving it (CY6). */
  readonly isArriving?: boolean;
};

type Started = CopyRequest & { readonly timeStartedMs: number };

export type CopyReport = ReturnType<CopyRecord['report']> & { readonly inFlight: readonly CopyInFlight[] };

/** Disposing aborts the copies in flight and waits for their end. */
export type Copies = AsyncDisposable & {
  /** Resolves as CY1 says. @throws `SLED_BUSY`, `COPY_SOURCE`, and what the store's `beginWrite` throws */
  readonly start: (request: CopyRequest, orderedBy: Claimant) => Promise<void>;
  readonly report: () => CopyReport;
  /** How the last copy of an artifact ended; waits while one is in flight, until the signal (CY5). Never rejects. */
  readonly outcome: (sha256: ArtifactHash, wait: { readonly signal: AbortSignal }) => Promise<CopyOutcome>;
  /** A put has stored the artifact (CY7). */
  readonly wasPut: (sha256: ArtifactHash, result: PutResult) => void;
};

/** GET from another sled's depot: `rawGet`, or its counterpart in the simulator. */
export type FetchArtifact = (
  url: string,
  options: {
    /** Whom the connection has to lead to, with TLS. */
    readonly sourceId: SledId | undefined;
    /** Without TLS, though this sled has an identity. */
    readonly isPlainSource: boolean;
    /** Of an answer that does not announce its length. */
    readonly maxBytes: number;
    readonly progress: ProgressDeadline;
    readonly answerTimeoutMs: number;
    readonly signal: AbortSignal;
  },
) => Promise<Pick<RawAnswer, 'sizeBytes' | 'consume' | typeof Symbol.dispose>>;

export type CopyDependencies = {
  readonly fetchArtifact: FetchArtifact;
  readonly store: Pick<ArtifactStore, 'beginWrite' | 'config'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Logger;
  /** How many at once. */
  readonly slots: Slots;
  /** Of an artifact whose length the config does not say. */
  readonly maxArtifactBytes: number;
  readonly progress: ProgressDeadline;
};

/** One copy under way. */
type Copy = {
  readonly request: Started;
  receivedBytes: number;
  sizeBytes: number | undefined;
  /** Resolves, or rejects, with the answer to the request (CY1). */
  readonly begun: PromiseWithResolvers<void>;
  /** Undefined once it belongs to the copy that replaces this one. */
  slot: Disposable | undefined;
  readonly stop: AbortController;
  /** Of the put that ended it. */
  put: PutResult | undefined;
  /** Never rejects. */
  over: Promise<void>;
};

export const createCopies = (deps: CopyDependencies): Copies => {
  const { store, clock, log, slots } = deps;
  const stop = new AbortController();
  const inFlight = new Map<ArtifactHash, Copy>();
  const record = createCopyRecord();

  /** From the writer to the commit; the request is answered in between. */
  const run = async (copy: Copy, replaced: Copy | undefined): Promise<void> => {
    const { sha256, generation, digest, depotBaseUrl: source, timeStartedMs } = copy.request;
    try {
      const expectedSizeBytes = store.config()?.artifacts.get(sha256);
      const expected = { expectedSizeBytes, digest };
      await using writer = await store.beginWrite(sha256, generation, { ...expected, sender: source });
      const signal = AbortSignal.any([stop.signal, copy.stop.signal]);
      using answer = await openSource(deps, copy.request, expectedSizeBytes, signal);
      copy.sizeBytes = answer.sizeBytes ?? expectedSizeBytes;
      copy.begun.resolve();
      await endReplaced(replaced);
      const stored = await transfer(answer, writer, copy);
      record.stored(sha256, stored);
      const elapsed_ms = clock.nowMs() - timeStartedMs;
      const done = { size_bytes: copy.receivedBytes, successful_writes: stored.successfulWrites, elapsed_ms };
      log.info({ sha256, source, ...done }, 'artifact copied');
    } catch (error) {
      await endReplaced(replaced);
      if (copy.put !== undefined) {
        record.stored(sha256, copy.put);
        return copy.begun.resolve();
      }
      record.failed(failedCopy(copy.request, clock.nowMs(), error));
      log.warn({ sha256, source, received_bytes: copy.receivedBytes, err: error }, 'copy failed');
      copy.begun.reject(error);
    }
  };

  return {
    async start(request, orderedBy) {
      const present = inFlight.get(request.sha256);
      if (present !== undefined && !mayReplace(present, request)) return present.begun.promise;
      stop.signal.throwIfAborted();
      const copy = newCopy(
        { ...request, timeStartedMs: clock.nowMs() },
        present?.slot ?? slots.take(orderedBy),
      );
      if (present !== undefined) present.slot = undefined;
      inFlight.set(request.sha256, copy);
      copy.over = run(copy, present).finally(() => {
        if (inFlight.get(request.sha256) === copy) inFlight.delete(request.sha256);
        copy.slot?.[Symbol.dispose]();
      });
      return copy.begun.promise;
    },
    wasPut(sha256, result) {
      const present = inFlight.get(sha256);
      if (present?.request.isArriving !== true) return;
      present.put = result;
      present.stop.abort(new DepotError('COPY_SOURCE', 'a put has stored the artifact'));
    },
    report: () => ({ inFlight: [...inFlight.values()].map(reported), ...record.report() }),
    async outcome(sha256, { signal }) {
      const present = inFlight.get(sha256);
      if (present !== undefined) await settledOr(present.over, signal);
      if (inFlight.has(sha256)) return { kind: 'in_flight' };
      return record.outcome(sha256);
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'this sled agent is stopping'));
      await Promise.all([...inFlight.values()].map(({ over }) => over));
    },
  };
};

const newCopy = (request: Started, slot: Disposable): Copy => ({
  ...{ request, slot, receivedBytes: 0, sizeBytes: undefined, put: undefined },
  ...{ begun: Promise.withResolvers<void>(), stop: new AbortController(), over: Promise.resolve() },
});

const reported = ({ request, receivedBytes, sizeBytes }: Copy): CopyInFlight => ({
  sha256: request.sha256,
  depotBaseUrl: request.depotBaseUrl,
  timeStartedMs: request.timeStartedMs,
  receivedBytes,
  sizeBytes,
});

/** CY7 */
const mayReplace = (present: Copy, { isArriving = false }: CopyRequest): boolean =>
  present.request.isArriving === true && !isArriving;

/** Its outcome is recorded before that of the copy that replaces it. */
const endReplaced = async (replaced: Copy | undefined): Promise<void> => {
  replaced?.stop.abort(
    new DepotError(
      'COPY_SOURCE',
      'its source received the artifact too slowly, and another one has all of it',
    ),
  );
  await replaced?.over;
};

const settledOr = (over: Promise<void>, signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', done, { once: true });
    void over.then(done);
  });

const failedCopy = ({ sha256, depotBaseUrl }: CopyRequest, timeMs: number, error: unknown): CopyFailure => ({
  sha256,
  depotBaseUrl,
  timeMs,
  errorCode: errorCodeOf(error),
  message: messageChain(error),
});

type SourceAnswer = Awaited<ReturnType<FetchArtifact>>;

/** @throws `COPY_SOURCE` with the cause */
const openSource = async (
  { fetchArtifact, progress, maxArtifactBytes }: CopyDependencies,
  { sha256, depotBaseUrl, sourceId, isPlainSource = false, isArriving = false }: CopyRequest,
  expectedSizeBytes: number | undefined,
  signal: AbortSignal,
): Promise<SourceAnswer> => {
  const detail = { depot_base_url: depotBaseUrl };
  let answer: SourceAnswer;
  try {
    const url = (isArriving ? depotArrivingUrl : depotArtifactUrl)(depotBaseUrl, sha256);
    answer = await fetchArtifact(url, {
      ...{ sourceId, isPlainSource, progress, signal },
      maxBytes: expectedSizeBytes ?? maxArtifactBytes,
      answerTimeoutMs: progress.intervalMs,
    });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new DepotError('COPY_SOURCE', `cannot copy ${sha256} from ${depotBaseUrl}`, { cause, detail });
  }
  const { sizeBytes } = answer;
  if (expectedSizeBytes === undefined || sizeBytes === undefined || sizeBytes === expectedSizeBytes)
    return answer;
  answer[Symbol.dispose]();
  throw new DepotError(
    'COPY_SOURCE',
    `${depotBaseUrl} has ${sizeBytes} bytes for ${sha256}, whose length is ${expectedSizeBytes}`,
    { detail },
  );
};

const transfer = async (answer: SourceAnswer, writer: ArtifactWriter, copy: Copy) => {
  await answer.consume(async chunk => {
    copy.receivedBytes += chunk.byteLength;
    await writer.write(chunk);
  });
  return writer.commit();
};
