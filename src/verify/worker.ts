/** The thread of `verifyRelease`: one file, one verdict. The caller ends it when it is no longer needed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { encodeError } from '../lib/wire-error.ts';
import { splitVerdict } from './verdict-parts.ts';
import type { VerifiedRelease, VerifyOptions } from './verified-release.ts';
import { verifyArchive } from './verify-archive.ts';
import type { WorkerInput, WorkerMessage } from './verify-release.ts';
import { verifyRoots } from './verify-roots.ts';

assert(parentPort, 'runs as a worker thread only');
const port = parentPort;
const tell = (message: WorkerMessage<unknown>) => port.postMessage(message);

/** One part after the other, each when the caller asks for the next. */
const handOver = async (release: VerifiedRelease): Promise<VerifiedRelease> => {
  const { head, parts } = splitVerdict(release);
  for (const part of parts) {
    tell({ kind: 'part', part });
    await once(port, 'message');
  }
  return head;
};

const verdict = async ({ task, path, request }: WorkerInput): Promise<WorkerMessage<unknown>> => {
  const options: VerifyOptions = {
    signal: new AbortController().signal,
    onProgress: progress => tell({ kind: 'progress', progress }),
  };
  try {
    await using file = await openRandomAccessFile(path);
    if (task === 'roots') return { kind: 'verified', result: await verifyRoots(file, request, options) };
    return { kind: 'verified', result: await handOver(await verifyArchive(file, request, options)) };
  } catch (error) {
    return { kind: 'refused', error: encodeError(error) };
  }
};

tell(await verdict(workerData));
port.close();
