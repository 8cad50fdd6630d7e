/** The thread of `hashHelperFor`: the digests of each entry that it receives. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import type { ArchiveEntry } from '../archive/content.ts';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { digestOf } from './entry-digests.ts';
import type { HashInput, HashResult } from './hash-helper.ts';

assert(parentPort, 'runs as a worker thread only');
const port = parentPort;
const { path }: HashInput = workerData;

const file = await openRandomAccessFile(path);
const { signal } = new AbortController();
port.on('message', async (entry: ArchiveEntry) => {
  const digests = await digestOf(file, entry, { signal }).catch(() => undefined);
  port.postMessage({ digests } satisfies HashResult);
});
port.postMessage({ digests: undefined } satisfies HashResult);
