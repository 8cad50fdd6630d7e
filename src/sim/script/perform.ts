/** Performs the steps of a script on a fleet: each chooses among what there is by then, and some end after a while. */
import { pick } from '../time/streams.ts';
import { breakFleet } from './faults.ts';
import { performOperation } from './operations.ts';
import type { Scene } from './scene.ts';
import { describeStep, OPERATIONS, type OperatorAct, type Step } from './step.ts';
import { breakVolume } from './volume-faults.ts';

export const perform = (scene: Scene, step: Step): void => {
  const { trace } = scene.world;
  if (trace.isOn) trace.say('#', describeStep(step));
  if (isOperation(step.kind)) performOperation(scene, step, step.kind);
  else if (step.kind.startsWith('dataset') || step.kind === 'flip a bit') breakVolume(scene, step);
  else breakFleet(scene, step);
};

const isOperation = (kind: Step['kind']): kind is OperatorAct =>
  (OPERATIONS as readonly string[]).includes(kind);

/** Chosen by a number of the step, so that the choice does not depend on what was drawn before. */
export const chosen = <T>(items: readonly T[], choice: number): T | undefined =>
  items.length === 0 ? undefined : pick({ next: () => 0, below: n => choice % n }, items);
