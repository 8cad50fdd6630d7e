/** A thread like test/sim/worker.ts, whose runs hang, end the thread or reject, by their seed. */
import { parentPort } from 'node:worker_threads';
import { createReleaseShelf } from '../../sim/fleet/releases.ts';
import type { RunResult } from '../../sim/run.ts';
import { judgeSeed } from './outcome.ts';
import type { Answer, Task } from './worker.ts';

const run = async ({ seed }: { seed: number }): Promise<RunResult> => {
  if (seed === 2) for (;;);
  if (seed === 4) process.exit(3);
  if (seed === 6) void Promise.reject(new TypeError('stray'));
  return { seed, violation: undefined, steps: [], reached: new Set(), virtualMs: 0, events: 0 };
};

const shelf = createReleaseShelf();
parentPort!.on('message', async ({ seed, size }: Task) => {
  const { violation, virtualMs, events } = await judgeSeed({ seed, size, shelf }, run);
  const result = { seed, violation, reached: [], virtualMs, events };
  parentPort!.postMessage({ kind: 'result', result } satisfies Answer);
});
parentPort!.postMessage({ kind: 'ready' } satisfies Answer);
