/** The thread of `verifyRelease`: one file, one verdict. The caller ends it when it is no longer needed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { encodeError } from '../lib/wire-error.ts';
import { knownDigests } from './entry-digests.ts';
import { hashHelperFor } from './hash-helper.ts';
import { splitVerdict } from './verdict-parts.ts';
import type { VerifiedRelease, VerifyOptions } from './verified-release.ts';
import { verifyArchive } from './verify-archive.ts';
import type { WorkerInput, WorkerMessage } from './verify-release.ts';
import { verifyRoots } from './verify-roots.ts';

assert(parentPort, 'runs as a worker thread only');
const port = parentPort;
const tell = (message: WorkerMessage<unknown>, moved: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, moved);

/** One part after the other, each when the caller asks for the next. */
const handOver = async (release: VerifiedRelease): Promise<VerifiedRelease> => {
  const { head, parts } = splitVerdict(release);
  for (const part of parts) {
    tell({ kind: 'part', part });
    await once(port, 'message');
  }
  return head;
};

/** The verdict, and the memory that is handed over instead of copied: a bundle may have many megabytes. */
type Told = readonly [message: WorkerMessage<unknown>, moved?: readonly ArrayBuffer[]];

const verdict = async ({ task, path, request, digests }: WorkerInput): Promise<Told> => {
  const options: VerifyOptions = {
    signal: new AbortController().signal,
    known: digests === undefined ? undefined : knownDigests(digests),
    startHelper: hashHelperFor(path),
    onProgress: progress => tell({ kind: 'progress', progress }),
  };
  try {
    await using file = await openRandomAccessFile(path);
    if (task === 'roots') return [{ kind: 'verified', result: await verifyRoots(file, request, options) }];
    const result = await handOver(await verifyArchive(file, request, options));
    const { buffer } = result.bundle?.bytes ?? {};
    return [{ kind: 'verified', result }, buffer instanceof ArrayBuffer ? [buffer] : []];
  } catch (error) {
    return [{ kind: 'refused', error: encodeError(error) }];
  }
};

tell(...(await verdict(workerData)));
port.close();
