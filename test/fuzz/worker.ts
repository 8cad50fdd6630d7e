/** One campaign in a thread of its own, which may hang or die without taking the report along. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { prepare, runCampaign } from './campaign.ts';
import { FUZZ_TARGETS } from './targets.ts';

export type FuzzWorkerInput = {
  readonly target: string;
  readonly first: number;
  readonly durationMs: number;
  /** The number that is judged now. */
  readonly progress: SharedArrayBuffer;
};

assert(parentPort, 'runs as a worker thread only');
const { target: name, first, durationMs, progress } = workerData as FuzzWorkerInput;
const target = FUZZ_TARGETS.find(each => each.name === name);
assert(target, `there is a target ${name}`);
const current = new Float64Array(progress);

const prepared = await prepare(target);
const tally = await runCampaign(prepared, {
  first,
  deadlineMs: performance.now() + durationMs,
  begins(number) {
    current[0] = number;
  },
});
parentPort.postMessage(tally);
