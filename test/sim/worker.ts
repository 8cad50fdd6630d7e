/**
 * A thread that runs seeds for the search, and may hang or die without ending it.
 *
 *     ready ─▶ task ─▶ answer          seed ─▶ its result          a failure ─▶ each smaller one, then the end
 */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { createReleaseShelf } from '../../sim/fleet/releases.ts';
import type { FleetSize } from '../../sim/script/swarm.ts';
import { minimise } from './minimise.ts';
import { judgeSeed, stepsOf } from './outcome.ts';
import { type SeedResult, searchSeeds } from './search.ts';

export type Task =
  | { readonly kind: 'run'; readonly seed: number; readonly size: FleetSize }
  | {
      readonly kind: 'minimise';
      readonly seed: number;
      readonly size: FleetSize;
      readonly guarantee: string;
      readonly withinMs: number;
    };

export type Answer =
  /** Once, before the first task. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly result: SeedResult }
  | { readonly kind: 'smaller'; readonly steps: readonly number[] }
  | { readonly kind: 'minimised' };

assert(parentPort, 'runs as a worker thread only');
const port = parentPort;
const answer = (message: Answer) => port.postMessage(message);
// No stack is printed here, and collecting stacks takes as long as everything else.
Error.stackTraceLimit = 0;
const shelf = createReleaseShelf();

const work = async (task: Task): Promise<void> => {
  const { seed, size } = task;
  if (task.kind === 'run') {
    for await (const result of searchSeeds({ seeds: [seed], size, shelf }))
      answer({ kind: 'result', result });
    return;
  }
  const endMs = performance.now() + task.withinMs;
  await minimise({
    parts: stepsOf({ seed, size }).map(({ number }) => number),
    async fails(numbers) {
      const { violation } = await judgeSeed({ seed, size, shelf, only: new Set(numbers) });
      return violation?.guarantee === task.guarantee;
    },
    isOver: () => performance.now() > endMs,
    onSmaller: steps => answer({ kind: 'smaller', steps }),
  });
  answer({ kind: 'minimised' });
};

port.on('message', (task: Task) => void work(task));
answer({ kind: 'ready' });
