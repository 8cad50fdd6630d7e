/**
 * Follows an archive while it is written, in a thread of its own: its entries are hashed as they arrive, so that the
 * verification of the whole finds their digests.
 *
 *     writer ─▶ file ─▶ page cache ─▶ thread: hash of each entry ─▶ digests() ─▶ verifyRelease()
 *       └──── grewTo() ─────────────────┘
 *
 * FAR1. It decides nothing, and never fails: what it could not hash is read by the verification (ES1, EDG2).
 * FAR2. The thread has ended, and its file is closed, when {@link FollowedArchive.digests} settles or the scope ends.
 */
import type { Worker } from 'node:worker_threads';
import type { ArchiveLimits } from '../archive/limits.ts';
import { outcomeOf, startThread } from '../lib/worker-thread.ts';
import type { DigestRecords } from './entry-digests.ts';

export type FollowInput = { readonly path: string; readonly limits: Partial<ArchiveLimits> };
export type FollowOrder = { readonly grewTo: number } | 'ended' | 'stop';
export type FollowResult = { readonly records: DigestRecords } | { readonly error: string };

/** A smaller archive is verified faster than a thread starts. */
const FOLLOWED_FROM_BYTES = 8 * 1024 * 1024;

export type FollowArchive = (
  path: string,
  options: {
    readonly limits: Partial<ArchiveLimits>;
    /** Called with the reason why nothing is known. */
    readonly onFailure: (error: unknown) => void;
  },
) => FollowedArchive;

export type FollowedArchive = AsyncDisposable & {
  /** So many bytes are in the file now; they do not change any more. */
  readonly grewTo: (sizeBytes: number) => void;
  /** The archive is whole. Waits for its last entries to be hashed; undefined if nothing is known. Throws the signal's reason alone. */
  readonly digests: (options: { readonly signal: AbortSignal }) => Promise<DigestRecords | undefined>;
};

export const followArchive: FollowArchive = (path, { limits, onFailure }) => {
  let following: { readonly worker: Worker; readonly records: Promise<DigestRecords> } | undefined;
  const start = () => {
    const worker = startThread(import.meta.url, 'follow-worker', { path, limits } satisfies FollowInput);
    const records = resultOf(worker);
    // Nobody may wait for it yet, or ever.
    records.catch(() => undefined);
    return { worker, records };
  };
  const order = (message: FollowOrder) => following?.worker.postMessage(message);
  const stop = () => order('stop');
  return {
    grewTo(sizeBytes) {
      if (sizeBytes < FOLLOWED_FROM_BYTES) return;
      following ??= start();
      order({ grewTo: sizeBytes });
    },
    async digests({ signal }) {
      if (following === undefined) return undefined;
      signal.addEventListener('abort', stop, { once: true });
      order(signal.aborted ? 'stop' : 'ended');
      const records = await following.records.catch((error: unknown) => {
        if (!signal.aborted) onFailure(error);
        return undefined;
      });
      signal.removeEventListener('abort', stop);
      signal.throwIfAborted();
      return records;
    },
    async [Symbol.asyncDispose]() {
      stop();
      await following?.records.catch(() => undefined);
    },
  };
};

/** The thread is asked to end, and not ended from outside: it closes its file itself. */
const resultOf = (worker: Worker): Promise<DigestRecords> =>
  outcomeOf<FollowResult, DigestRecords>(worker, {
    signal: new AbortController().signal,
    died: cause => new Error('the thread that followed an archive ended', { cause }),
    onMessage: (result, { resolve, reject }) =>
      'records' in result ? resolve(result.records) : reject(new Error(result.error)),
  });

/** Where no thread can read the file, as in a simulation. */
export const followNothing: FollowArchive = () => ({
  grewTo: () => undefined,
  digests: async () => undefined,
  async [Symbol.asyncDispose]() {},
});
