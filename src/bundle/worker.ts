/** The thread of `judgeApart`: one bundle, one verdict. The caller ends it. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { encodeError } from '../lib/wire-error.ts';
import { judgeBundle } from './judge.ts';
import type { JudgeInput, JudgeMessage } from './judge-apart.ts';

assert(parentPort, 'runs as a worker thread only');

const outcome = async ({ bytes, trustRoots, signatures }: JudgeInput): Promise<JudgeMessage> => {
  try {
    return { kind: 'judged', judged: await judgeBundle(bytes, trustRoots, { signatures }) };
  } catch (error) {
    return { kind: 'failed', error: encodeError(error) };
  }
};

parentPort.postMessage(await outcome(workerData));
parentPort.close();
