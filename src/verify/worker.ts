/** The thread of `verifyRelease`: one file, one verdict. The caller ends it when it is not wanted any more. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { encodeError } from '../lib/wire-error.ts';
import { verifyArchive } from './verify-archive.ts';
import type { WorkerInput, WorkerMessage } from './verify-release.ts';
import { verifyRoots } from './verify-roots.ts';

assert(parentPort, 'runs as a worker thread only');
const port = parentPort;
const tell = (message: WorkerMessage<unknown>) => port.postMessage(message);

const verdict = async ({ task, path, request }: WorkerInput): Promise<WorkerMessage<unknown>> => {
  const verify = task === 'release' ? verifyArchive : verifyRoots;
  try {
    await using file = await openRandomAccessFile(path);
    const result = await verify(file, request, {
      signal: new AbortController().signal,
      onProgress: progress => tell({ kind: 'progress', progress }),
    });
    return { kind: 'verified', result };
  } catch (error) {
    return { kind: 'refused', error: encodeError(error) };
  }
};

tell(await verdict(workerData));
