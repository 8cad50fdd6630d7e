/** The thread of `verifyRelease`: one file, one verdict. The caller ends it when it is not wanted any more. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { verifyArchive } from './verify-archive.ts';
import type { WorkerInput, WorkerMessage } from './verify-release.ts';
import { encodeError } from './wire-error.ts';

assert(parentPort, 'runs as a worker thread only');
const port = parentPort;
const tell = (message: WorkerMessage) => port.postMessage(message);

const verdict = async ({ path, request }: WorkerInput): Promise<WorkerMessage> => {
  try {
    await using file = await openRandomAccessFile(path);
    const release = await verifyArchive(file, request, {
      signal: new AbortController().signal,
      onProgress: progress => tell({ kind: 'progress', progress }),
    });
    return { kind: 'verified', release };
  } catch (error) {
    return { kind: 'refused', error: encodeError(error) };
  }
};

tell(await verdict(workerData));
