/**
 * Verifies a release archive in its own thread: parsing large metadata and hashing gigabytes never block the event loop of
 * the caller.
 *
 *     caller ─▶ { path, request } ─▶ worker ─▶ progress* ─▶ verdict ─▶ caller
 *
 * VW1. When the promise settles, however it does, the thread has ended and the file is closed: the caller may
 *      rename or unlink it.
 * VW2. A thread that ends without a verdict is an error, never a release.
 */
import type { Worker } from 'node:worker_threads';
import { DepotError } from '../lib/errors.ts';
import { decodeError, type WireError } from '../lib/wire-error.ts';
import { outcomeOf, startThread } from '../lib/worker-thread.ts';
import type { DigestRecords } from './entry-digests.ts';
import { joinVerdict, type VerdictPart } from './verdict-parts.ts';
import type { VerifiedRelease, VerifyOptions, VerifyProgress, VerifyRequest } from './verified-release.ts';
import type { VerifiedRoots } from './verify-roots.ts';

export type WorkerInput = {
  readonly task: 'release' | 'roots';
  readonly path: string;
  readonly request: VerifyRequest;
  /** Of entries that were read before. */
  readonly digests?: DigestRecords | undefined;
};

export type WorkerMessage<T> =
  | { readonly kind: 'progress'; readonly progress: VerifyProgress }
  /** Of a release, before its verdict; the next one comes when the caller has sent a message. */
  | { readonly kind: 'part'; readonly part: VerdictPart }
  | { readonly kind: 'verified'; readonly result: T }
  | { readonly kind: 'refused'; readonly error: WireError };

/**
 * Verifies the archive at `path`; see `verifyArchive` for what is checked and thrown. Also throws `IO` when the file
 * cannot be read, and `VERIFIER_DIED`; rejects with the signal's reason when it aborts.
 */
export const verifyRelease = async <Id extends string>(
  path: string,
  request: VerifyRequest<Id>,
  { digests, ...options }: ThreadRequest,
): Promise<VerifiedRelease<Id>> => {
  const parts: VerdictPart[] = [];
  const onPart = (part: VerdictPart) => parts.push(part);
  const head = await inThread<VerifiedRelease<Id>>(
    { task: 'release', path, request, digests },
    { ...options, onPart },
  );
  return joinVerdict(head, parts);
};

/** The same for an archive that holds roots alone; see `verifyRoots`. */
export const verifyRootArchive = <Id extends string>(
  path: string,
  request: VerifyRequest<Id>,
  options: VerifyOptions,
): Promise<VerifiedRoots<Id>> => inThread({ task: 'roots', path, request }, options);

type ThreadRequest = Omit<VerifyOptions, 'known' | 'startHelper'> & {
  /** Of entries that were read before, by `followArchive`. */
  readonly digests?: DigestRecords | undefined;
};

type ThreadOptions = ThreadRequest & { readonly onPart?: (part: VerdictPart) => void };

const inThread = async <T>(workerData: WorkerInput, options: ThreadOptions): Promise<T> => {
  options.signal.throwIfAborted();
  return verdictOf<T>(startThread(import.meta.url, 'worker', workerData), workerData.path, options);
};

/** Waits for the verdict of a worker on the archive at `path`, and ends the worker. */
export const verdictOf = <T = VerifiedRelease>(
  worker: Worker,
  path: string,
  { signal, onProgress, onPart }: ThreadOptions,
): Promise<T> =>
  outcomeOf<WorkerMessage<T>, T>(worker, {
    signal,
    died: cause =>
      new DepotError('VERIFIER_DIED', `the thread that verified ${path} ended without a verdict`, { cause }),
    onMessage(message, { resolve, reject }) {
      switch (message.kind) {
        case 'progress':
          if (!signal.aborted) onProgress?.(message.progress);
          break;
        case 'part':
          onPart?.(message.part);
          worker.postMessage('next');
          break;
        case 'verified':
          resolve(message.result);
          break;
        case 'refused':
          reject(decodeError(message.error));
          break;
        default:
          message satisfies never;
      }
    },
  });
