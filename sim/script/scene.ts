/** What the steps of a script work on. */
import type { MemoryState } from '../datastore/state.ts';
import type { Operator } from '../fleet/operator.ts';
import type { SimRelease } from '../fleet/releases.ts';
import type { SimNexus, SimSled, World } from '../fleet/world.ts';
import type { Witness } from '../witness/witness.ts';
import type { Swarm } from './swarm.ts';

export type Scene = {
  readonly world: World;
  readonly witness: Witness;
  readonly operator: Operator;
  readonly swarm: Swarm;
  /** Releases in the order in which operators take them up; made beforehand. */
  readonly releases: readonly SimRelease[];
  /** How many of them were taken up. */
  taken: number;
  /** Changes around a failover that are still to come: a fleet is at rest after them. */
  changesToCome: number;
  /** States of a database whose Nexuses did not record points (P13). */
  readonly olderStates: WeakSet<MemoryState>;
  /** Undoes what lasts, at the end of the phase with faults; a step that ended by itself leaves it. */
  readonly undo: Set<() => void>;
};

export const inServiceSleds = ({ world }: Scene): readonly SimSled[] =>
  world.sleds.filter(({ standing }) => standing === 'in_service');

export const inServiceNexuses = ({ world }: Scene): readonly SimNexus[] =>
  world.nexuses.filter(({ standing }) => standing === 'in_service');

/** Undone after a while, or when everything is mended. */
export const forAWhile = (scene: Scene, forMs: number, undo: () => void): void => {
  const once = () => {
    if (scene.undo.delete(once)) undo();
  };
  scene.undo.add(once);
  scene.world.scheduler.after(forMs, once);
};
