/**
 * Fetches a repository in its own thread: parsing metadata and hashing gigabytes never block the event loop of the caller.
 *
 *     caller ─▶ request ─▶ worker ─▶ found ─▶ caller decides ─▶ progress* ─▶ fetched | unwanted | failed
 *
 * When the promise settles, however it does, the thread has ended and no longer writes to the directory.
 */
import { DepotError } from '../lib/errors.ts';
import { decodeError, type WireError } from '../lib/wire-error.ts';
import { outcomeOf, startThread } from '../lib/worker-thread.ts';
import type { FetchedRelease, FetchOptions, FetchRequest, FoundRelease } from './fetch-repository.ts';

export type FetchMessage<Id extends string = string> =
  | { readonly kind: 'found'; readonly found: FoundRelease<Id> }
  | { readonly kind: 'progress'; readonly doneBytes: number }
  | { readonly kind: 'fetched'; readonly fetched: FetchedRelease }
  | { readonly kind: 'unwanted' }
  | { readonly kind: 'failed'; readonly error: WireError };

export type FetchAnswer = { readonly wanted: boolean };

export type FetchRelease<Id extends string = string> = (
  request: FetchRequest<Id>,
  options: FetchOptions<Id>,
) => Promise<FetchedRelease | undefined>;

/** As `fetchRepository`; also throws `VERIFIER_DIED`, what `decide` throws, and the signal's reason. */
export const fetchRelease = async <Id extends string>(
  request: FetchRequest<Id>,
  { signal, decide, onProgress }: FetchOptions<Id>,
): Promise<FetchedRelease | undefined> => {
  signal.throwIfAborted();
  const worker = startThread(import.meta.url, 'fetch-worker', request);
  const { metadataUrl } = request.source;
  return outcomeOf<FetchMessage<Id>, FetchedRelease | undefined>(worker, {
    signal,
    died: cause => new DepotError('VERIFIER_DIED', `the thread that fetched ${metadataUrl} ended`, { cause }),
    onMessage(message, { resolve, reject }) {
      switch (message.kind) {
        case 'found':
          decide(message.found).then(
            wanted => worker.postMessage({ wanted } satisfies FetchAnswer),
            (error: unknown) => reject(error),
          );
          break;
        case 'progress':
          onProgress(message.doneBytes);
          break;
        case 'fetched':
          resolve(message.fetched);
          break;
        case 'unwanted':
          resolve(undefined);
          break;
        case 'failed':
          reject(decodeError(message.error));
          break;
        default:
          message satisfies never;
      }
    },
  });
};
