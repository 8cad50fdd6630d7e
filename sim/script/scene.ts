/** The run, as the steps of a script see and change it. */
import type { SignedStatement } from '../../src/core/statement.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { Intruder } from '../fleet/intruder.ts';
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
  /** Releases in the order in which operators upload them, then those for which a person has to sign; made beforehand. */
  readonly releases: readonly SimRelease[];
  /** How many of them were uploaded. */
  taken: number;
  /** Changes that are still to come: the fleet cannot be at rest before them. */
  changesToCome: number;
  /** States of a database whose Nexuses did not record points (P13). */
  readonly olderStates: WeakSet<MemoryState>;
  /** Ends each lasting fault at the end of their phase; a fault that ended by itself is not in it. */
  readonly undo: Set<() => void>;
  readonly hostility: Hostility;
  /** By subject: what a person signed that outlasts points. */
  readonly signed: Map<string, SignedStatement>;
  /** When a person restored an identity that was found revoked, by its id. */
  readonly restoredAtMs: Map<string, number>;
};

/** The hostile callers of a run, as far as operators know of them. */
type Hostility = {
  /** Nexuses and sleds whose keys others have: operators expunge them. */
  readonly nexuses: Map<SimNexus, Intruder>;
  readonly sleds: Set<SimSled>;
  /** Whether sleds were told revocations that nobody ordered. */
  hasRevoked: boolean;
  /** When an operator reset a sled last. */
  readonly resetAtMs: Map<SimSled, number>;
  readonly ends: (() => void)[];
};

export const inServiceSleds = ({ world }: Scene): readonly SimSled[] =>
  world.sleds.filter(({ standing }) => standing === 'in_service');

export const inServiceNexuses = ({ world }: Scene): readonly SimNexus[] =>
  world.nexuses.filter(({ standing }) => standing === 'in_service');

/** Undone after a while, or at the end of the faults. */
export const forAWhile = (scene: Scene, forMs: number, undo: () => void): void => {
  const once = () => {
    if (scene.undo.delete(once)) undo();
  };
  scene.undo.add(once);
  scene.world.scheduler.after(forMs, once);
};
