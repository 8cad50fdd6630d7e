/**
 * Faults in which the database loses commits: a restore to any earlier state, or a failover to a copy without the last
 * commits, after which ordinary changes raise the generation above that of the sleds (P13).
 */

import { pointText } from '../../src/core/ids.ts';
import { samePoint } from '../../src/core/lineage.ts';
import type { Rng } from '../../src/core/rng.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { SimSled } from '../fleet/world.ts';
import type { Volume } from '../machine/volume.ts';
import { chosen } from './chosen.ts';
import { performOperation } from './operations.ts';
import { forAWhile, inServiceSleds, type Scene } from './scene.ts';
import type { OperatorAct, Step } from './step.ts';

export const restoreDatabase = (scene: Scene, step: Step): void => {
  const { states } = scene.witness;
  // In half of the restores each point is equally likely: some have few states, such as one between a deletion and a re-add.
  const among = step.choice[1] % 2 === 0 ? states : states.filter((_, at) => isNewPoint(states, at));
  const state = chosen(among, step.choice[0]);
  if (state !== undefined) goBack(scene, state, 'is restored');
};

/** A failover loses up to so many changes of the wanted set, and up to so many commits without such a change. */
const MOST_LOST = 5;
const MOST_SMALL = 6;
/** More changes follow than were lost, so that the generation rises above that of the sleds. */
const MOST_MORE = 2;
const CHANGES: readonly OperatorAct[] = [
  'upload',
  'upload',
  'upload again',
  'delete',
  'delete and upload again',
];

export const failOver = (scene: Scene, step: Step): void => {
  const { states } = scene.witness;
  const changes = [...states.keys()].filter(at => isNewPoint(states, at));
  const lost = step.choice[0] % (MOST_LOST + 1);
  const last = lost === 0 ? states.length : changes.at(-lost);
  const state =
    last === undefined ? states[0] : states[Math.max(0, last - 1 - (step.choice[1] % MOST_SMALL))];
  if (state !== undefined) failOverTo(scene, step, { state, lost });
};

const failOverTo = (
  scene: Scene,
  step: Step,
  { state, lost }: { readonly state: MemoryState; readonly lost: number },
): void => {
  const before = scene.world.database.snapshot();
  goBack(scene, state, `fails over, without the last ${lost} changes`);
  if (samePoint(before.stored, state.stored)) return;
  const count = lost + 1 + (step.choice[2] % MOST_MORE);
  makeChanges(scene, step, { count, withinMs: Math.max(step.forMs, 1_000), when: 'after the failover' });
};

/** Ordinary changes of every kind. */
const makeChanges = (
  scene: Scene,
  step: Step,
  { count, withinMs, when }: { readonly count: number; readonly withinMs: number; readonly when: string },
): void => {
  const { world } = scene;
  const rng = world.streams(`changes ${when} ${step.number}`);
  for (let done = 0; done < count; done += 1) {
    const change = drawChange(step, rng);
    scene.changesToCome += 1;
    world.scheduler.after(rng.next() * withinMs, () => {
      scene.changesToCome -= 1;
      world.trace.say('#', `a change ${when}: ${change.kind}`);
      performOperation(scene, change, change.kind);
    });
  }
};

const drawChange = (step: Step, rng: Rng): Step & { readonly kind: OperatorAct } => ({
  ...step,
  kind: CHANGES[rng.below(CHANGES.length)]!,
  choice: [rng.below(2 ** 30), rng.below(2 ** 30), rng.below(2 ** 30)],
});

/** During the failover a sled starts without one of its disks, or another sled is down. */
export const failOverWithMachinesAway = (scene: Scene, step: Step): void => {
  const sleds = rotated(inServiceSleds(scene), step.choice[1]);
  const sled = sleds.find(each => healthyVolumes(each).length > 1);
  const other = sleds.find(each => each !== sled);
  const [first, second] = sled === undefined ? [] : rotated(healthyVolumes(sled), step.choice[2]);
  if (other !== undefined && step.choice[2] % 3 === 0) {
    scene.world.trace.say(other.plan.serial, 'is away');
    other.machine.kill();
    forAWhile(scene, step.forMs, other.machine.start);
  }
  if (sled === undefined || first === undefined || second === undefined) failOver(scene, step);
  else if (step.choice[0] % 3 > 0) failOverBetween(scene, step, { sled, first, second });
  else {
    startWithout(scene, sled, first, step.forMs);
    failOver(scene, step);
  }
};

const healthyVolumes = ({ machine }: SimSled): readonly Volume[] =>
  [...machine.volumes.values()].filter(({ state }) => state === 'ok');

/** Only the first disk has the lost config, and only the second one the config that follows it. */
const failOverBetween = (
  scene: Scene,
  step: Step,
  { sled, first, second }: { readonly sled: SimSled; readonly first: Volume; readonly second: Volume },
): void => {
  const state = scene.world.database.snapshot();
  const lost = 1 + (step.choice[1] % MOST_LOST);
  takeAway(scene, sled, second, step.forMs / 3);
  makeChanges(scene, step, { count: lost, withinMs: step.forMs / 4, when: 'before the failover' });
  forAWhile(scene, step.forMs / 3, () => {
    startWithout(scene, sled, first, step.forMs);
    failOverTo(scene, step, { state, lost });
  });
};

const startWithout = (scene: Scene, sled: SimSled, volume: Volume, forMs: number): void => {
  takeAway(scene, sled, volume, forMs);
  sled.machine.kill();
  forAWhile(scene, 500, sled.machine.start);
};

const takeAway = (scene: Scene, { plan }: SimSled, volume: Volume, forMs: number): void => {
  const { trace } = scene.world;
  trace.say(plan.serial, `${volume.path} is away`);
  volume.state = 'absent';
  volume.session += 1;
  forAWhile(scene, forMs, () => {
    volume.state = 'ok';
    volume.session += 1;
    trace.say(plan.serial, `${volume.path} is back`);
  });
};

const rotated = <T>(items: readonly T[], by: number): readonly T[] =>
  items.map((_, at) => items[(at + by) % items.length]!);

const isNewPoint = (states: readonly MemoryState[], at: number): boolean =>
  at === 0 || pointText(states[at]!.stored) !== pointText(states[at - 1]!.stored);

const goBack = (scene: Scene, state: MemoryState, how: string): void => {
  const { world, witness, olderStates } = scene;
  world.trace.say('database', `${how}: to generation ${state.stored.generation}`);
  world.database.restore(olderStates.has(state) && !world.isNexusOlder ? migrated(scene, state) : state);
  witness.onDatabaseRestored();
};

/** From now on the Nexuses know lineage: the database is migrated, and its present point is the first recorded one. */
export const upgradeNexuses = (scene: Scene): void => {
  const { world, witness, olderStates } = scene;
  if (!world.isNexusOlder) return;
  world.trace.say('#', 'the Nexuses are replaced by newer ones');
  for (const state of witness.states) olderStates.add(state);
  const now = world.database.snapshot();
  olderStates.add(now);
  world.isNexusOlder = false;
  world.olderUntilMs = world.scheduler.nowMs();
  world.database.restore(migrated(scene, now));
  for (const { machine } of world.nexuses) {
    if (!machine.isUp()) continue;
    machine.kill();
    machine.start();
  }
};

const migrated = ({ witness }: Scene, state: MemoryState): MemoryState => {
  const { stored } = state;
  const first = { ...stored, origin: 'first' as const, timeCreatedMs: 0 };
  const copy = { ...state, points: new Map([[pointText(stored), first]]) };
  witness.histories.onCopied(state, copy);
  return copy;
};
