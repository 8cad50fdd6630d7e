/**
 * A second thread that hashes entries of a finished archive beside the one that verifies it.
 *
 *     entries ─┬─ in the order of the file ─▶ the thread that verifies
 *              └─ the largest first ────────▶ hash-worker ─▶ digest, when its turn comes
 *
 * HH1. An entry is hashed by one of the two: whoever takes it first.
 * HH2. The helper decides nothing: for an entry that it cannot read it has no digest, and the verifying thread reads it and finds the
 *      fault in its turn (EDG2).
 */
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import type { ArchiveEntry } from '../archive/content.ts';
import { startThread } from '../lib/worker-thread.ts';
import type { ContentDigests } from './entry-digests.ts';

export type HashHelper = AsyncDisposable & {
  /**
   * The digests of an entry that the helper has taken, or none if it could not be read. Undefined if the helper has not taken it,
   * and then it never will: the caller reads it.
   */
  readonly take: (entry: ArchiveEntry) => Promise<ContentDigests | undefined> | undefined;
};

export type StartHashHelper = (entries: readonly ArchiveEntry[]) => HashHelper | undefined;

export type HashInput = { readonly path: string };
/** The first comes without an order: the thread is ready. */
export type HashResult = { readonly digests: ContentDigests | undefined };

/** Less is hashed faster than a thread starts. */
const HELPED_FROM_BYTES = 32 * 1024 * 1024;

/** For the archive at `path`; undefined where one thread is as fast. */
export const hashHelperFor =
  (path: string): StartHashHelper =>
  entries => {
    const bytes = entries.reduce((sum, { compressedBytes }) => sum + compressedBytes, 0);
    if (entries.length < 2 || bytes < HELPED_FROM_BYTES || availableParallelism() < 2) return undefined;
    return helpedBy(startThread(import.meta.url, 'hash-worker', { path } satisfies HashInput), entries);
  };

/** The thread owns the file; it answers each entry in turn. */
export const helpedBy = (
  worker: Pick<Worker, 'on' | 'postMessage' | 'terminate'>,
  entries: readonly ArchiveEntry[],
): HashHelper => {
  const left = new Set(entries.toSorted((a, b) => b.sizeBytes - a.sizeBytes));
  const taken = new Map<ArchiveEntry, PromiseWithResolvers<ContentDigests | undefined>>();
  let current: PromiseWithResolvers<ContentDigests | undefined> | undefined;
  const next = (): void => {
    const [entry] = left;
    if (entry === undefined) return;
    left.delete(entry);
    current = Promise.withResolvers();
    taken.set(entry, current);
    worker.postMessage(entry);
  };
  const giveUp = (): void => {
    left.clear();
    current?.resolve(undefined);
  };
  worker.on('message', ({ digests }: HashResult) => {
    current?.resolve(digests);
    next();
  });
  worker.on('error', giveUp).on('messageerror', giveUp).on('exit', giveUp);
  return {
    take(entry) {
      left.delete(entry);
      return taken.get(entry)?.promise;
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
};
