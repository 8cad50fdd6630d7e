/**
 * The client of an upload: it ends the upload when it goes away, and is answered when the upload waits for long.
 *
 * CW1. While its request is open, a client that goes away aborts {@link UploadClient.signal}.
 * CW2. When an upload has waited for the database for {@link Request.answerAfterMs} at a stretch, its client receives the id
 *      to poll, and the upload goes on without the client.
 */
import { stageDone } from '../../../core/facts/reason-text.ts';
import type { UploadId } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { UploadReport } from './upload-states.ts';

/** The time until the next poll. */
const RETRY_AFTER_S = 5;

export type UploadClient = {
  /** Aborts when the client goes away before it was answered. */
  readonly signal: AbortSignal;
  /** The outcome, or after a long wait the error that names the upload. */
  readonly answer: <T>(outcome: Promise<T>) => Promise<T>;
  /** Whether the upload waits for the database. */
  readonly waits: (isWaiting: boolean) => void;
};

type Request = {
  readonly uploadId: UploadId;
  /** Aborts with the request. */
  readonly signal: AbortSignal;
  /** Undefined for a caller that waits as long as the upload. */
  readonly answerAfterMs: number | undefined;
  readonly report: () => UploadReport | undefined;
};

export const followClient = (clock: Clock, request: Request): UploadClient => {
  const gone = new AbortController();
  const ended = new AbortController();
  const long = Promise.withResolvers<never>();
  // Without a wait no caller reads it.
  long.promise.catch(() => undefined);
  let wait: AbortController | undefined;
  const leave = (): void => gone.abort(request.signal.reason);
  if (request.signal.aborted) leave();
  else request.signal.addEventListener('abort', leave, { once: true });
  const release = (): void => request.signal.removeEventListener('abort', leave);

  return {
    signal: gone.signal,
    waits(isWaiting) {
      if (!isWaiting) {
        wait?.abort();
        wait = undefined;
        return;
      }
      if (wait !== undefined || request.answerAfterMs === undefined) return;
      wait = new AbortController();
      clock.sleep(request.answerAfterMs, { signal: AbortSignal.any([ended.signal, wait.signal]) }).then(
        () => long.reject(stillWaiting(request.uploadId, request.report())),
        () => undefined,
      );
    },
    async answer(outcome) {
      try {
        return await Promise.race([outcome, long.promise]);
      } finally {
        ended.abort();
        release(); // CW2
      }
    },
  };
};

const stillWaiting = (uploadId: UploadId, report: UploadReport | undefined): DepotError => {
  const state = report?.state;
  const is = state?.kind === 'waiting' ? stageDone(state.stage) : 'received';
  const because = state?.kind === 'waiting' ? ` (${state.wait.message})` : '';
  return new DepotError(
    'DATABASE_UNAVAILABLE',
    `the archive is ${is}, and waits for the database${because}; this Nexus records it when the database answers. ` +
      `Poll upload ${uploadId} instead of sending it again`,
    { detail: { upload_id: uploadId, retry_after_s: RETRY_AFTER_S } },
  );
};
