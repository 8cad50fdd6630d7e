/** The thread of `fetchRelease`: one repository, one outcome. The caller ends it when it is no longer needed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { encodeError } from '../lib/wire-error.ts';
import type { FetchAnswer, FetchMessage } from './fetch-release.ts';
import { type FetchRequest, fetchRepository } from './fetch-repository.ts';

assert(parentPort, 'runs as a worker thread only');
const port = parentPort;
const tell = (message: FetchMessage) => port.postMessage(message);

/** Progress is for people: reported no more often than this. */
const TELL_EVERY_MS = 200;

const outcome = async (request: FetchRequest): Promise<FetchMessage> => {
  let toldMs = 0;
  try {
    const fetched = await fetchRepository(request, {
      signal: new AbortController().signal,
      async decide(found) {
        tell({ kind: 'found', found });
        const [answer] = (await once(port, 'message')) as [FetchAnswer];
        return answer.wanted;
      },
      onProgress(doneBytes) {
        if (performance.now() - toldMs < TELL_EVERY_MS) return;
        toldMs = performance.now();
        tell({ kind: 'progress', doneBytes });
      },
    });
    return fetched === undefined ? { kind: 'unwanted' } : { kind: 'fetched', fetched };
  } catch (error) {
    return { kind: 'failed', error: encodeError(error) };
  }
};

tell(await outcome(workerData));
port.close();
