/** The thread of `followArchive`: it hashes a file that grows, and ends with its digests. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { createGrowingFile } from '../archive/growing-file.ts';
import { messageChain } from '../lib/errors.ts';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { digestFromStart } from './entry-digests.ts';
import type { FollowInput, FollowOrder, FollowResult } from './follow-archive.ts';

assert(parentPort, 'runs as a worker thread only');
const port = parentPort;
const { path, limits }: FollowInput = workerData;

const follow = async (): Promise<FollowResult> => {
  try {
    await using file = await openRandomAccessFile(path);
    const growing = createGrowingFile(file);
    const stop = new AbortController();
    port.on('message', (order: FollowOrder) => {
      if (typeof order === 'object') return growing.grewTo(order.grewTo);
      if (order === 'stop') stop.abort();
      growing.ended();
    });
    const records = await digestFromStart(growing.file, { limits, signal: stop.signal });
    stop.signal.throwIfAborted();
    return { records };
  } catch (error) {
    return { error: messageChain(error) };
  }
};

const result = await follow();
port.postMessage(result, 'records' in result ? [result.records.buffer] : []);
port.close();
