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
    port.on('message', (order: FollowOrder) => {
      if (order === 'ended') growing.ended();
      else growing.grewTo(order.grewTo);
    });
    const { signal } = new AbortController();
    return { records: await digestFromStart(growing.file, { limits, signal }) };
  } catch (error) {
    return { error: messageChain(error) };
  }
};

const result = await follow();
port.postMessage(result, 'records' in result ? [result.records.buffer] : []);
port.close();
