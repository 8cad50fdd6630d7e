/** Performs the steps of a script on a fleet: each chooses among the present machines, and some end after a while. */
import { breakFleet } from './faults.ts';
import { beHostile } from './hostility.ts';
import { joinWithOneToken } from './identities.ts';
import { performOperation } from './operations.ts';
import { expungeByMistake } from './restored-identities.ts';
import type { Scene } from './scene.ts';
import { trustSigner, uploadWithoutMetadata } from './signed-releases.ts';
import { allowDeletions } from './statements.ts';
import {
  DECISIONS,
  type Decision,
  describeStep,
  HOSTILITIES,
  type Hostility,
  OPERATIONS,
  type OperatorAct,
  type Step,
} from './step.ts';
import { breakVolume } from './volume-faults.ts';

export const perform = (scene: Scene, step: Step): void => {
  const { trace } = scene.world;
  if (trace.isOn) trace.say('#', describeStep(step));
  if (isOperation(step.kind)) performOperation(scene, step, step.kind);
  else if (step.kind.startsWith('dataset') || step.kind === 'flip a bit' || step.kind === 'cut a file short')
    breakVolume(scene, step);
  else if (isHostility(step.kind)) beHostile(scene, step, step.kind);
  else if (isDecision(step.kind)) decide(scene, step, step.kind);
  else if (step.kind === 'join with one token') void joinWithOneToken(scene, step);
  else breakFleet(scene, step);
};

const decide = (scene: Scene, step: Step, kind: Decision): void => {
  switch (kind) {
    case 'allow deletions':
      void allowDeletions(scene, step);
      return;
    case 'expunge a sled by mistake':
      expungeByMistake(scene, step);
      return;
    case 'trust another signer':
      void trustSigner(scene, step);
      return;
    case 'upload a release without metadata':
      uploadWithoutMetadata(scene, step);
      return;
    default:
      kind satisfies never;
  }
};

const isDecision = (kind: Step['kind']): kind is Decision => (DECISIONS as readonly string[]).includes(kind);

const isHostility = (kind: Step['kind']): kind is Hostility =>
  (HOSTILITIES as readonly string[]).includes(kind);

const isOperation = (kind: Step['kind']): kind is OperatorAct =>
  (OPERATIONS as readonly string[]).includes(kind);
