/**
 * What a database loses: it is restored to any state that it ever was in, or fails over to a copy that lacks its last
 * commits, after which ordinary changes count past what the sleds hold (P13).
 */

import { pointText } from '../../core/ids.ts';
import { samePoint } from '../../core/lineage.ts';
import type { Rng } from '../../core/rng.ts';
import type { MemoryState } from '../../nexus/datastore/memory/state.ts';
import { chosen } from './chosen.ts';
import { performOperation } from './operations.ts';
import { forAWhile, inServiceSleds, type Scene } from './scene.ts';
import type { OperatorAct, Step } from './step.ts';

export const restoreDatabase = (scene: Scene, step: Step): void => {
  const { states } = scene.witness;
  // Every other time each point counts alike: of some there are few states, as between an unlink and its re-add.
  const among = step.choice[1] % 2 === 0 ? states : states.filter((_, at) => isNewPoint(states, at));
  const state = chosen(among, step.choice[0]);
  if (state !== undefined) goBack(scene, state, 'is restored');
};

/** Loses up to so many changes of what is wanted, and some of the commits that change nothing of it. */
const MOST_LOST = 5;
const MOST_SMALL = 6;
/** More changes than were lost, so that the generation passes what the sleds hold. */
const MOST_MORE = 2;
const CHANGES: readonly OperatorAct[] = [
  'upload',
  'upload',
  'upload again',
  'delete',
  'delete and upload again',
];

export const failOver = (scene: Scene, step: Step): void => {
  const { scheduler, streams, trace } = scene.world;
  const { states } = scene.witness;
  const changes = [...states.keys()].filter(at => isNewPoint(states, at));
  const lost = step.choice[0] % (MOST_LOST + 1);
  const last = lost === 0 ? states.length : changes.at(-lost);
  const state =
    last === undefined ? states[0] : states[Math.max(0, last - 1 - (step.choice[1] % MOST_SMALL))];
  if (state === undefined) return;
  const before = scene.world.database.snapshot();
  goBack(scene, state, `fails over, without the last ${lost} changes`);
  if (samePoint(before.stored, state.stored)) return;
  const rng = streams(`changes after ${step.number}`);
  const count = lost + 1 + (step.choice[2] % MOST_MORE);
  for (let done = 0; done < count; done += 1) {
    const change = drawChange(step, rng);
    scheduler.after(rng.next() * Math.max(step.forMs, 1_000), () => {
      trace.say('#', `a change after the failover: ${change.kind}`);
      performOperation(scene, change, change.kind);
    });
  }
};

const drawChange = (step: Step, rng: Rng): Step & { readonly kind: OperatorAct } => ({
  ...step,
  kind: CHANGES[rng.below(CHANGES.length)]!,
  choice: [rng.below(2 ** 30), rng.below(2 ** 30), rng.below(2 ** 30)],
});

/** A disk of a sled is away meanwhile, and the sled starts without it; another sled is away altogether. */
export const failOverWithoutSome = (scene: Scene, step: Step): void => {
  const { trace } = scene.world;
  const [sled, other] = rotated(inServiceSleds(scene), step.choice[1]);
  const volume = sled && chosen([...sled.machine.volumes.values()], step.choice[2]);
  if (sled !== undefined && volume?.state === 'ok' && sled.machine.volumes.size > 1) {
    trace.say(sled.plan.serial, `${volume.path} is away`);
    volume.state = 'absent';
    volume.session += 1;
    sled.machine.kill();
    forAWhile(scene, 500, sled.machine.start);
    forAWhile(scene, step.forMs, () => {
      volume.state = 'ok';
      volume.session += 1;
      trace.say(sled.plan.serial, `${volume.path} is back`);
    });
  }
  if (other !== undefined && step.choice[2] % 3 === 0) {
    trace.say(other.plan.serial, 'is away');
    other.machine.kill();
    forAWhile(scene, step.forMs, other.machine.start);
  }
  failOver(scene, step);
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

/** From here on Nexuses know of lineage: the database is migrated, and the point where it is becomes its first. */
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
