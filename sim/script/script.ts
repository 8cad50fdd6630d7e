/** The steps of a run, drawn beforehand, so that a failing run can be minimised by leaving steps out. */
import type { Rng } from '../../src/core/rng.ts';
import { spread } from '../time/streams.ts';
import type { Step } from './step.ts';
import type { Swarm } from './swarm.ts';

/** More steps would find nothing new. */
const MAX_STEPS = 200;

export const drawScript = (swarm: Swarm, rng: Rng): readonly Step[] => {
  const steps: Omit<Step, 'number'>[] = [];
  for (const [kind, everyMs] of swarm.everyMs) {
    for (let atMs = waitMs(rng, everyMs); atMs < swarm.durationMs; atMs += waitMs(rng, everyMs))
      steps.push({
        atMs,
        kind,
        choice: [rng.below(2 ** 30), rng.below(2 ** 30), rng.below(2 ** 30)],
        forMs: spread(rng, 100, swarm.durationMs / 2),
      });
  }
  // The first step uploads a release, so that there is something to replicate.
  steps.push({
    atMs: spread(rng, 10, 5_000),
    kind: 'upload',
    choice: [rng.below(2 ** 30), rng.below(2 ** 30), rng.below(2 ** 30)],
    forMs: 0,
  });
  return steps
    .sort((a, b) => a.atMs - b.atMs)
    .slice(0, MAX_STEPS)
    .map((step, number) => ({ ...step, number }));
};

/** Exponentially distributed, so that steps sometimes coincide. */
const waitMs = (rng: Rng, everyMs: number): number => -Math.log(1 - rng.next()) * everyMs;
