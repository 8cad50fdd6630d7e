/** Performs the steps of a script on a fleet: each chooses among the present machines, and some end after a while. */
import { breakFleet } from './faults.ts';
import { performOperation } from './operations.ts';
import type { Scene } from './scene.ts';
import { describeStep, OPERATIONS, type OperatorAct, type Step } from './step.ts';
import { breakVolume } from './volume-faults.ts';

export const perform = (scene: Scene, step: Step): void => {
  const { trace } = scene.world;
  if (trace.isOn) trace.say('#', describeStep(step));
  if (isOperation(step.kind)) performOperation(scene, step, step.kind);
  else if (step.kind.startsWith('dataset') || step.kind === 'flip a bit' || step.kind === 'cut a file short')
    breakVolume(scene, step);
  else breakFleet(scene, step);
};

const isOperation = (kind: Step['kind']): kind is OperatorAct =>
  (OPERATIONS as readonly string[]).includes(kind);
